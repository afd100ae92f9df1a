import { compileArtifact, type ModelDefinition, presetDefinition, zooNetwork } from "@psgl/models";
import {
	elementCount,
	labelTensor,
	type Random,
	scalar,
	seededRandom,
	type Tensor,
	type Tensors,
	tensor,
	zeros,
} from "@psgl/sdk";
import { type Artifact, artifactGraph, artifactTensor, optimiserStateLength } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { numbers } from "../../helpers/numbers.js";

const classes = ["a", "b", "c"];
const seed = { dtype: "int64", dims: [], data: BigInt64Array.of(3n) } as const;

function shield(network: string, shape: readonly number[], change: Partial<ModelDefinition> = {}): Promise<Artifact> {
	const definition = { ...presetDefinition("shield", zooNetwork(network), shape, classes), ...change };
	return compileArtifact(definition, { name: "shield", random: seededRandom(4) });
}

function uniform(random: Random, dims: readonly number[]): Tensor<"float32"> {
	return tensor(
		"float32",
		dims,
		Float32Array.from({ length: elementCount(dims) }, () => random.uniform()),
	);
}

async function run(artifact: Artifact, name: string, feeds: Tensors): Promise<Record<string, Tensor>> {
	await using session = await nodeRuntime.load(artifactGraph(artifact, name));
	return await session.run(feeds);
}

const weights = (artifact: Artifact) => ({
	params: artifactTensor(artifact, "client/params"),
	stats: artifactTensor(artifact, "client/stats"),
	head: artifactTensor(artifact, "client/head"),
});

function localFeeds(artifact: Artifact, x: Tensor<"float32">) {
	const count = x.dims[0] as number;
	return {
		...weights(artifact),
		x,
		y: labelTensor(Int32Array.from({ length: count }, (_, n) => n % classes.length)),
		slots: zeros("float32", [optimiserStateLength(artifact.manifest, "client")]),
		headSlots: zeros("float32", [optimiserStateLength(artifact.manifest, "head")]),
		step: scalar(1),
		learningRate: scalar(1),
		headLearningRate: scalar(1),
		shieldWeight: scalar(0),
		robustBudget: scalar(artifact.manifest.robustBudget),
		dropoutSeed: seed,
	};
}

for (const [network, shape] of [
	["lenet", [1, 12, 12]],
	["lenet", [3, 12, 12]],
	["resnet-small", [1, 16, 16]],
	["ecg-1d", [1, 32]],
] as const) {
	test(`${network} [${shape}]: the code sent is the one the client segment computes, and fits its bits`, async (t) => {
		const artifact = await shield(network, shape, { code: { numbers: 5, bits: 3 } });
		const { manifest } = artifact;
		t.deepEqual(manifest.code, { numbers: 5, bits: 3 });
		t.deepEqual(manifest.smashedShape, [5]);
		t.is(manifest.disclosure.release, "once");
		const x = uniform(seededRandom(1), [9, ...shape]);
		const { code, localScores } = await run(artifact, "client/code", { ...weights(artifact), x });
		t.is(code?.dtype, "uint8");
		t.deepEqual(code?.dims, [9, 5]);
		t.true(numbers(code).every((index) => index < 8));
		const infer = await run(artifact, "client/infer", { ...weights(artifact), x });
		const { levels } = await run(artifact, "wire/decode.code", { code: code as Tensor });
		t.deepEqual(levels?.data, infer.smashed?.data);
		t.deepEqual(localScores?.data, infer.localScores?.data);
	});
}

const sgd: ModelDefinition["optimiser"] = { kind: "sgd", learningRate: 1, momentum: 0, weightDecay: 0 };

test("a local step goes down the gradient of the head's loss and of the shield, by finite differences", async (t) => {
	const artifact = await shield("lenet", [1, 12, 12], {
		optimiser: sgd,
		code: { numbers: 4, bits: 2 },
		robustBudget: 0,
	});
	const random = seededRandom(8);
	const feeds = localFeeds(artifact, uniform(random, [7, 1, 12, 12]));
	await using local = await nodeRuntime.load(artifactGraph(artifact, "client/local"));

	// The head comes after the rounding, so its gradient is a true one.
	const before = await local.run(feeds);
	const ofHead = difference(feeds.head, before.next_head as Tensor);
	await agrees("localLoss", "head", ofHead);

	// What the shield's weight adds to the step is the gradient of the share, which is taken before the rounding.
	const shielded = await local.run({ ...feeds, shieldWeight: scalar(1) });
	t.deepEqual(shielded.next_head?.data, before.next_head?.data);
	await agrees(
		"withinClassShare",
		"params",
		difference(before.next_params as Tensor<"float32">, shielded.next_params as Tensor),
	);

	/** Along the gradient itself a value rises by its length. */
	async function agrees(name: string, part: "head" | "params", gradient: Float32Array): Promise<void> {
		const length = Math.hypot(...gradient);
		const step = 2e-3;
		const value = async (by: number) => {
			const data = feeds[part].data.map((v, i) => v + (by * (gradient[i] as number)) / length);
			const out = await local.run({ ...feeds, [part]: { ...feeds[part], data } });
			return numbers(out[name])[0] as number;
		};
		const slope = ((await value(step)) - (await value(-step))) / (2 * step);
		t.true(length > 1e-3 && Math.abs(slope - length) < 0.03 * length, `${name}: ${slope} ${length}`);
	}
});

function difference(from: Tensor<"float32">, to: Tensor): Float32Array {
	return from.data.map((v, i) => v - ((to.data as Float32Array)[i] as number));
}

test("augmentation changes what a local step learns from, as the seed says, and no other graph", async (t) => {
	const augmentation = { shift: 0.1, zoom: 0.1, contrast: 0.2, brightness: 0.1, mirror: true };
	const plain = await shield("lenet", [1, 12, 12], { augmentation: null });
	const artifact = await shield("lenet", [1, 12, 12], { augmentation });
	const feeds = localFeeds(artifact, uniform(seededRandom(2), [6, 1, 12, 12]));
	const lossOf = async (of: Artifact, changed: Tensors = {}) =>
		numbers((await run(of, "client/local", { ...feeds, ...changed })).localLoss)[0] as number;
	const loss = await lossOf(artifact);
	t.is(await lossOf(artifact), loss);
	t.not(await lossOf(artifact, { dropoutSeed: { ...seed, data: BigInt64Array.of(4n) } }), loss);
	t.not(await lossOf(plain), loss);
	for (const name of [...plain.graphs.keys()].filter((graph) => graph !== "client/local")) {
		t.deepEqual(artifactGraph(artifact, name), artifactGraph(plain, name), name);
	}
});

test("robust training of a code learns from samples that are worse for it, and without a budget from the samples themselves", async (t) => {
	for (const [network, shape] of [
		["lenet", [1, 12, 12]],
		["ecg-1d", [1, 32]],
	] as const) {
		const plain = await shield(network, shape, { robustBudget: 0 });
		const artifact = await shield(network, shape, { robustBudget: 0.02 });
		const feeds = localFeeds(artifact, uniform(seededRandom(2), [12, ...shape]));
		const lossOf = async (of: Artifact, budget: number) =>
			numbers((await run(of, "client/local", { ...feeds, robustBudget: scalar(budget) })).localLoss)[0] as number;
		const clean = await lossOf(plain, 0);
		t.is(await lossOf(artifact, 0), clean);
		const worse = await lossOf(artifact, 0.02);
		t.true(worse > clean, `${network}: ${worse} ${clean}`);
		// Running statistics and weights are those of the second pass alone.
		const next = await run(artifact, "client/local", { ...feeds, robustBudget: scalar(0) });
		const same = await run(plain, "client/local", feeds);
		for (const name of ["next_stats", "next_params", "next_head"]) t.deepEqual(next[name], same[name], name);
	}
});

test("with a code each epoch can be trained through the aggregator too", async (t) => {
	const artifact = await shield("lenet", [1, 12, 12]);
	const x = uniform(seededRandom(6), [6, 1, 12, 12]);
	const feeds = localFeeds(artifact, x);
	const pass = await run(artifact, "client/forward", { ...feeds, delta: zeros("float32", x.dims) });
	const { cutGradient } = await run(artifact, "server/train", {
		smashed: pass.smashed as Tensor,
		y: feeds.y,
		params: artifactTensor(artifact, "server/params"),
		stats: artifactTensor(artifact, "server/stats"),
		slots: zeros("float32", [optimiserStateLength(artifact.manifest, "server")]),
		learningRate: scalar(1e-3),
		step: scalar(1),
		classWeights: tensor("float32", [3], Float32Array.of(1, 1, 1)),
	});
	t.deepEqual(cutGradient?.dims, [6, 3]);
	const delta = zeros("float32", x.dims);
	const next = await run(artifact, "client/train", { ...feeds, ...pass, delta, cutGradient: cutGradient as Tensor });
	const change = numbers(next.next_params).map((v, i) => v - (feeds.params.data[i] as number));
	t.true(change.some((v) => v !== 0) && change.every(Number.isFinite));
});
