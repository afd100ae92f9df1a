import {
	compileArtifact,
	decodeModel,
	dense,
	flatten,
	JointTrainer,
	type ModelDefinition,
	presetDefinition,
	type SplitNetwork,
} from "@psgl/models";
import { labelTensor, scalar, seededRandom, type Tensor, vectorPart, zeros } from "@psgl/sdk";
import { artifactGraph, artifactTensor, optimiserStateLength } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { EndToEndTrainer } from "../../helpers/end-to-end-trainer.js";
import { largestDifference } from "../../helpers/largest-difference.js";
import { smallDataset, smallShape } from "../../helpers/small-model.js";

/** A stream with a tensor of 256 by so many numbers between small ones. */
const wideNetwork = (width: number): SplitNetwork => ({
	name: "wide",
	summary: `a dense layer of 256 on the device, one of 256 by ${width} in the stream`,
	spatialAxes: 2,
	rectified: false,
	client: (g, scope, x) => {
		const values = g.add("Tanh", [dense(g, scope.within("first"), flatten(g, x), 256)]);
		return g.add("Reshape", [values, g.ints([0, 256, 1, 1])]);
	},
	stream: (g, scope, smashed, outputs) => {
		const hidden = g.add("Tanh", [dense(g, scope.within("hidden"), flatten(g, smashed), width)]);
		return dense(g, scope.within("last"), hidden, outputs);
	},
});
const wide = wideNetwork(256);
const indices = Array.from({ length: 16 }, (_, i) => i);

function definitionWith(changed: Partial<ModelDefinition>): ModelDefinition {
	return { ...presetDefinition("none", wide, smallShape, ["dark", "bright"]), packing: "none", ...changed };
}

const compile = (definition: ModelDefinition) => compileArtifact(definition, { name: "wide", random: seededRandom(1) });

async function trained(definition: ModelDefinition, steps: number) {
	await using trainer = await JointTrainer.create(await compile(definition), {
		runtime: nodeRuntime,
		random: seededRandom(2),
	});
	for (let i = 0; i < steps; i++) await trainer.step(smallDataset(16), indices, 0.01);
	return trainer.weights();
}

test("the aggregator's step takes a large tensor as a piece of its own, and small neighbours together", async (t) => {
	const { inputs } = decodeModel(artifactGraph(await compile(definitionWith({})), "server/train"));
	const lengths = inputs.filter(({ name }) => vectorPart(name)?.vector === "params").map(({ shape }) => shape[0]);
	t.is(lengths.length, 2);
	t.true(lengths.includes(256 * 256));
});

test("a tensor of more numbers than stay near the processor is a piece in equal rows", async (t) => {
	const artifact = await compile(definitionWith({ network: wideNetwork(768) }));
	const { inputs } = decodeModel(artifactGraph(artifact, "server/train"));
	const shapes = inputs.filter(({ name }) => vectorPart(name)?.vector === "params").map(({ shape }) => shape.join());
	t.is(shapes.length, 2);
	t.true(shapes.includes(`2,${(256 * 768) / 2}`));
});

const adam = { kind: "adam", learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 } as const;
const sgd = { kind: "sgd", learningRate: 0.01, momentum: 0.9, weightDecay: 0 } as const;

for (const [name, changed] of Object.entries({
	"Adam, steps in pieces": { optimiser: adam },
	"SGD, steps in pieces": { optimiser: sgd },
	"Adam, steps row by row": { optimiser: adam, network: wideNetwork(768) },
	"AdamW, steps row by row": { optimiser: { ...adam, decoupledWeightDecay: true }, network: wideNetwork(768) },
	"SGD, steps on rows": { optimiser: sgd, network: wideNetwork(768) },
} satisfies Record<string, Partial<ModelDefinition>>)) {
	test(`${name} are those on one vector`, async (t) => {
		const definition = definitionWith(changed);
		const artifact = await compile(definition);
		const whole = await EndToEndTrainer.create(definition, artifact);
		for (let i = 0; i < 4; i++) await whole.step(smallDataset(16), indices, 0.01);
		const weights = await trained(definition, 4);
		const server = weights.get("server/params");
		t.true(largestDifference(server, whole.vectors().get("server/params") as Tensor) < 1e-5);
		t.true(largestDifference(server, artifactTensor(artifact, "server/params")) > 1e-3);
	});
}

for (const width of [256, 768]) {
	test(`${width} wide: clipping by norm looks at all pieces, accumulation and frozen parameters at each`, async (t) => {
		const definition = definitionWith({
			optimiser: { kind: "sgd", learningRate: 1, momentum: 0, weightDecay: 0 },
			network: wideNetwork(width),
			gradientClipping: { kind: "norm", limit: 1e-3 },
			accumulationSteps: 2,
			frozen: ["server.A.last.*"],
		});
		const { manifest, tensors } = await compile(definition);
		const before = tensors.get("server/params")?.data as Float32Array;
		const once = (await trained(definition, 1)).get("server/params")?.data as Float32Array;
		t.deepEqual(once, before);
		const twice = (await trained(definition, 2)).get("server/params")?.data as Float32Array;
		const moved = Math.sqrt(twice.reduce((sum, v, i) => sum + (v - (before[i] as number)) ** 2, 0));
		// The learning rate is 0.01.
		t.true(Math.abs(moved - 1e-5) < 2e-6, `moved by ${moved}`);
		const last = manifest.server?.params.filter(({ name }) => name.startsWith("A.last.")) ?? [];
		t.is(last.length, 2);
		for (const { offset, shape } of last) {
			const end = offset + shape.reduce((a, b) => a * b, 1);
			t.deepEqual(twice.subarray(offset, end), before.subarray(offset, end));
		}
	});
}

for (const width of [256, 768]) {
	test(`${width} wide: the sum of what a step gives back is finite exactly when all of it is`, async (t) => {
		const artifact = await compile(definitionWith({ network: wideNetwork(width) }));
		await using session = await nodeRuntime.load(artifactGraph(artifact, "server/train"), { threads: 1 });
		const params = artifactTensor(artifact, "server/params");
		const feeds = {
			smashed: { dtype: "float32", dims: [2, 256, 1, 1], data: new Float32Array(512).fill(0.5) } as const,
			params,
			stats: artifactTensor(artifact, "server/stats"),
			slots: zeros("float32", [optimiserStateLength(artifact.manifest, "server")]),
			learningRate: scalar(0.01),
			step: scalar(1),
			y: labelTensor([0, 1]),
			classWeights: { dtype: "float32", dims: [2], data: Float32Array.of(1, 1) } as const,
		};
		const { total, cutGradient, next_params, next_stats } = await session.run(feeds);
		const all = [cutGradient, next_params, next_stats].flatMap((each) => [...(each as Tensor<"float32">).data]);
		const sum = all.reduce((a, b) => a + b, 0);
		t.true(Math.abs((total?.data[0] as number) - sum) < 1e-2, `${total?.data[0]}, ${sum}`);
		for (const [at, value] of [
			[0, Number.NaN],
			[params.data.length - 1, Number.POSITIVE_INFINITY],
		] as const) {
			const data = params.data.slice();
			data[at] = value;
			const damaged = await session.run({ ...feeds, params: { ...params, data } });
			t.false(Number.isFinite(damaged.total?.data[0]));
		}
	});
}

test("weights that were asked for stay as they were while training goes on", async (t) => {
	await using trainer = await JointTrainer.create(await compile(definitionWith({})), {
		runtime: nodeRuntime,
		random: seededRandom(2),
	});
	const step = () => trainer.step(smallDataset(16), indices, 0.01);
	await step();
	const held = trainer.weights().get("server/params");
	const copy = held?.data.slice();
	for (let i = 0; i < 4; i++) await step();
	t.deepEqual(held?.data, copy);
	t.notDeepEqual(trainer.weights().get("server/params")?.data, copy);
});
