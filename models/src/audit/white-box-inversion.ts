import { elementCount, scalar, type Tensor, zeros } from "@psgl/sdk";
import { differentiate } from "../autodiff/differentiate.js";
import { copyClientHalf } from "../compile/copy-client-half.js";
import { int } from "../graph/attribute.js";
import { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { encodeModel } from "../onnx/write.js";
import { adam, adamSlotsPerParameter } from "../optimisers/adam.js";
import type { AttackScene } from "./attack-scene.js";
import { ReconstructionQuality } from "./reconstruction-quality.js";
import { rows } from "./run-in-batches.js";

type Real = Tensor<"float32">;

/** Weights of the total variation among which the attacker chooses, on samples of its own. */
const variationWeights = [1e-2, 0.1, 0.3];
const mapWeight = 1e-3;
const firstLearningRate = 0.05;
const settings = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };

/** Samples inverted side by side, each by itself. */
const sideBySide = 16;
/** Where the map's free variable starts: a sigmoid of it times the budget, next to nothing. */
const mapStart = -4;

/**
 * White-box inversion (He et al., ACSAC 2019, section 4; total variation as in Geiping et al., NeurIPS 2020): finds
 * the sample whose smashed data are those seen, by Adam through the client segment. What the device's map was is found
 * along with it. Starts from the mean of the attacker's samples.
 */
export async function whiteBoxInversion(scene: AttackScene): Promise<Real> {
	const { budget, seen, samples, pairs, signal } = scene;
	const own = Math.min(sideBySide, samples.dims[0] as number);
	const victims = Math.min(budget.optimisedVictims, seen.dims[0] as number);
	const trials = Math.ceil(victims / sideBySide) + variationWeights.length / trialShare;
	let done = 0;
	const invert = async (smashed: Real, weight: number, steps: number): Promise<Real> => {
		await using session = await loadInversion(scene, smashed, weight);
		const found = await session.run(steps, (share) => scene.onProgress?.((done + share * unit) / trials));
		done += unit;
		return found;
	};
	let unit = 1 / trialShare;
	await using quality = await ReconstructionQuality.load(
		scene.runtime,
		scene.target.manifest.inputShape,
		scene.threads,
	);
	let best = { weight: variationWeights[0] as number, similarity: Number.NEGATIVE_INFINITY };
	for (const weight of variationWeights) {
		const guess = await invert(rows(pairs, 0, own), weight, Math.ceil(budget.inversionSteps / trialShare));
		const { similarity } = await quality.measure(rows(samples, 0, own), guess);
		if (similarity > best.similarity) best = { weight, similarity };
	}
	unit = 1;
	const found: Real[] = [];
	for (let start = 0; start < victims; start += sideBySide) {
		signal?.throwIfAborted();
		const end = Math.min(start + sideBySide, victims);
		found.push(await invert(rows(seen, start, end), best.weight, budget.inversionSteps));
	}
	const size = elementCount(scene.target.manifest.inputShape);
	const data = new Float32Array(victims * size);
	found.forEach((part, i) => {
		data.set(part.data, i * sideBySide * size);
	});
	return { dtype: "float32", dims: [victims, ...scene.target.manifest.inputShape], data };
}

/** Trial runs that choose a weight take one in so many of the steps. */
const trialShare = 2;

/** The optimisation of the samples behind `smashed`, compiled. */
async function loadInversion(scene: AttackScene, smashed: Real, variationWeight: number) {
	const { target, samples, runtime, threads, signal } = scene;
	const { inputShape, map } = target.manifest;
	const count = smashed.dims[0] as number;
	const size = count * elementCount(inputShape);
	const free = map === null ? size : 2 * size;
	const session = await runtime.load(encodeModel(inversionGraph(scene, count, variationWeight)), { threads });
	const start = new Float32Array(free).fill(mapStart, size);
	start.set(meanSample(samples, count));
	return {
		async run(steps: number, onProgress: (share: number) => void): Promise<Real> {
			let guess: Tensor = { dtype: "float32", dims: [free], data: start };
			let slots: Tensor = zeros("float32", [adamSlotsPerParameter * free]);
			for (let step = 1; step <= steps; step++) {
				signal?.throwIfAborted();
				const rate = (firstLearningRate * (1 + Math.cos((Math.PI * step) / (steps + 1)))) / 2;
				const out = await session.run({ guess, slots, smashed, learningRate: scalar(rate), step: scalar(step) });
				guess = out.next_guess as Tensor;
				slots = out.next_slots as Tensor;
				onProgress(step / steps);
			}
			const data = (guess as Real).data.slice(0, size);
			return { dtype: "float32", dims: [count, ...inputShape], data };
		},
		[Symbol.asyncDispose]: () => session.close(),
	};
}

/** One step of Adam on the samples, and on the map where there is one, all in one flat vector. */
function inversionGraph({ target }: AttackScene, count: number, variationWeight: number) {
	const { inputShape, map, smashedShape } = target.manifest;
	const shape = [count, ...inputShape];
	const size = elementCount(shape);
	const g = new GraphBuilder("audit/inversion");
	const free = map === null ? size : 2 * size;
	const guess = g.input("guess", "float32", [free]);
	const slots = g.input("slots", "float32", [adamSlotsPerParameter * free]);
	const smashed = g.input("smashed", "float32", [count, ...smashedShape]);
	const learningRate = g.input("learningRate", "float32", []);
	const step = g.input("step", "float32", []);
	const parts = map === null ? [guess] : g.addMany("Split", [guess, g.ints([size, size])], 2, { axis: int(0) });
	const x = g.add("Reshape", [parts[0] as Value, g.ints(shape)]);
	const budget = map?.budget ?? 0;
	const added =
		map === null
			? "none"
			: g.add("Mul", [g.add("Sigmoid", [g.add("Reshape", [parts[1] as Value, g.ints(shape)])]), g.scalar(budget)]);
	const own = copyClientHalf(g, target.artifact, x, added);
	const mean = (v: Value) => g.add("ReduceMean", [v], { keepdims: int(0) });
	const square = (v: Value) => g.add("Mul", [v, v]);
	const scale = g.add("Add", [mean(square(smashed)), g.scalar(1e-6)]);
	let loss = g.add("Div", [mean(square(g.add("Sub", [own, smashed]))), scale]);
	loss = g.add("Add", [loss, g.add("Mul", [totalVariation(g, x), g.scalar(variationWeight)])]);
	if (typeof added !== "string") loss = g.add("Add", [loss, g.add("Mul", [mean(added), g.scalar(mapWeight)])]);
	// Means over all samples would make the steps of each smaller the more there are; Adam does not care for the scale.
	const [gradient] = differentiate(g, [{ value: loss }], [guess]);
	const next = adam(g, { params: guess, gradient: gradient as Value, slots, learningRate, step }, settings);
	const nextParts =
		map === null ? [next.params] : g.addMany("Split", [next.params, g.ints([size, size])], 2, { axis: int(0) });
	const kept = g.add("Clip", [nextParts[0] as Value, g.scalar(0), g.scalar(1)]);
	g.output("next_guess", map === null ? kept : g.add("Concat", [kept, nextParts[1] as Value], { axis: int(0) }));
	g.output("next_slots", next.slots);
	g.output("loss", loss);
	return g.build();
}

/** Mean absolute difference of neighbours along each spatial axis, summed over the axes. */
function totalVariation(g: GraphBuilder, x: Value): Value {
	const differences = x.shape.slice(2).map((extent, i) => {
		const part = (from: number, to: number) => g.add("Slice", [x, g.ints([from]), g.ints([to]), g.ints([i + 2])]);
		const difference = g.add("Sub", [part(1, extent as number), part(0, (extent as number) - 1)]);
		return g.add("ReduceMean", [g.add("Abs", [difference])], { keepdims: int(0) });
	});
	return differences.reduce((sum, d) => g.add("Add", [sum, d]));
}

/** The mean of [N,...], `count` times. */
function meanSample(samples: Real, count: number): Float32Array {
	const all = samples.dims[0] as number;
	const size = samples.data.length / all;
	const sum = new Float64Array(size);
	samples.data.forEach((value, at) => {
		sum[at % size] = (sum[at % size] as number) + value;
	});
	return Float32Array.from({ length: count * size }, (_, at) => (sum[at % size] as number) / all);
}
