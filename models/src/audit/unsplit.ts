import { type Runtime, type Session, scalar, type Tensor, zeros } from "@psgl/sdk";
import { type Artifact, artifactTensor } from "@psgl/sdk/artifact";
import { differentiate } from "../autodiff/differentiate.js";
import { copyClientHalf } from "../compile/copy-client-half.js";
import { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { encodeModel } from "../onnx/write.js";
import { adam } from "../optimisers/adam.js";
import { adamSlotsPerParameter } from "../optimisers/adam-of-pieces.js";
import type { AttackScene } from "./attack-scene.js";
import { meanSample } from "./mean-sample.js";
import { relativeError } from "./relative-error.js";
import { joinRows, rows } from "./run-in-batches.js";
import { SampleSearch, type Sought } from "./sample-search.js";
import { shuffledWeights } from "./shuffled-weights.js";
import { straightThroughConstants } from "./straight-through.js";

type Real = Tensor<"float32">;

/** Samples that share one clone: those of a batch. */
const sideBySide = 16;
/** Steps on the samples, then as many on the clone's weights. */
const turn = 20;
const sampleRate = 0.01;
const cloneRate = 2e-3;
const variationWeight = 0.3;
const settings = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };

/**
 * UnSplit (Erdogan, Kupcu and Cicek, WPES 2022, algorithm 1): who knows the architecture alone looks for samples and
 * weights of a clone in turn, until the clone makes what was seen of the samples.
 */
export async function unsplit(scene: AttackScene): Promise<Real> {
	const { target, runtime, threads, budget, seen, samples, signal, onProgress } = scene;
	const { manifest, artifact } = target;
	const victims = Math.min(budget.optimisedVictims, seen.dims[0] as number);
	const mean = meanSample(samples);
	const weights = artifactTensor(artifact, "client/params");
	const found: Real[] = [];
	for (let start = 0; start < victims; start += sideBySide) {
		const smashed = rows(seen, start, Math.min(start + sideBySide, victims));
		const count = smashed.dims[0] as number;
		const objective = (g: GraphBuilder, { x }: Sought) =>
			cloneError(g, artifact, x, g.input("params", "float32", weights.dims));
		const options = { manifest, runtime, threads, count, objective, variationWeight, map: "none" } as const;
		await using search = await SampleSearch.load(options);
		await using clone = await loadClone(artifact, count, runtime, threads);
		let params: Real = shuffledWeights(manifest.client.params, weights, scene.random.fork(`clone ${start}`));
		let slots: Real = zeros("float32", [adamSlotsPerParameter * params.data.length]);
		let state = search.start(mean);
		const turns = Math.ceil(budget.inversionSteps / turn);
		for (let step = 1; step <= turns * turn; step++) {
			signal?.throwIfAborted();
			state = await search.step(state, sampleRate, { params, smashed });
			if (step % turn !== 0) continue;
			const x = search.samples(state);
			for (let i = turn - 1; i >= 0; i--) {
				const out = await clone.run({
					x,
					params,
					slots,
					smashed,
					learningRate: scalar(cloneRate),
					step: scalar(step - i),
				});
				params = out.next_params as Real;
				slots = out.next_slots as Real;
			}
			onProgress?.((start + (count * step) / (turns * turn)) / victims);
		}
		found.push(search.samples(state));
	}
	return joinRows(found);
}

/** How far what the clone makes of `x` is from what was seen, the input `smashed`: []. */
function cloneError(g: GraphBuilder, artifact: Artifact, x: Value, params: Value): Value {
	const made = copyClientHalf(g, artifact, x, "none", { params, training: true });
	return relativeError(
		g,
		made,
		g.input("smashed", "float32", [x.shape[0] as number, ...artifact.manifest.smashedShape]),
	);
}

/** One step of Adam on the clone's weights. */
async function loadClone(artifact: Artifact, count: number, runtime: Runtime, threads: number): Promise<Session> {
	const { manifest } = artifact;
	const length = manifest.client.paramCount;
	const g = new GraphBuilder("audit/unsplit-clone");
	const x = g.input("x", "float32", [count, ...manifest.inputShape]);
	const params = g.input("params", "float32", [length]);
	const slots = g.input("slots", "float32", [adamSlotsPerParameter * length]);
	const learningRate = g.input("learningRate", "float32", []);
	const step = g.input("step", "float32", []);
	const loss = { value: cloneError(g, artifact, x, params) };
	const [gradient] = differentiate(g, [loss], [params], straightThroughConstants(g));
	const next = adam(g, { params, gradient: gradient as Value, slots, learningRate, step }, settings);
	g.output("next_params", next.params);
	g.output("next_slots", next.slots);
	return runtime.load(encodeModel(g.build()), { threads });
}
