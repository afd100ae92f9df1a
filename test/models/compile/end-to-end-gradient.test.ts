import {
	compileArtifact,
	convolution,
	dense,
	differentiate,
	encodeModel,
	flatten,
	GraphBuilder,
	importModel,
	type ModelDefinition,
	normalised,
	type ParameterScope,
	presetDefinition,
	type SplitNetwork,
	type Value,
	zooNetwork,
} from "@psgl/models";
import {
	labelTensor,
	scalar,
	seededRandom,
	type Tensor,
	type Tensors,
	tensor,
	type VectorPart,
	vectorPart,
	vectorPartName,
	zeros,
} from "@psgl/sdk";
import { type Artifact, artifactGraph, artifactTensor } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { relativeError } from "../../helpers/golden.js";

type Vector = Tensor<"float32">;

/** Plain gradient descent with a step so long that the weights it starts from vanish beside it. */
const learningRate = 1e4;
const optimiser = { kind: "sgd", learningRate, momentum: 0, weightDecay: 0 } as const;

const batch = 6;
const classes = ["a", "b", "c"];

function noise(name: string, dims: readonly number[], low: number, high: number): Vector {
	const random = seededRandom(11).fork(name);
	return tensor(
		"float32",
		dims,
		zeros("float32", dims).data.map(() => low + (high - low) * random.uniform()),
	);
}

/** What the graphs of a step are fed with, by the names the joint graph has for it. */
function jointFeeds(artifact: Artifact): Record<string, Tensor> {
	const { manifest } = artifact;
	const input = [batch, ...manifest.inputShape];
	return {
		x: noise("x", input, 0.1, 0.9),
		delta: noise("delta", input, -manifest.robustBudget, manifest.robustBudget),
		y: labelTensor(Array.from({ length: batch }, (_, b) => b % classes.length)),
		classWeights: tensor("float32", [3], Float32Array.of(0.5, 1, 1.5)),
		budget: scalar(manifest.map?.budget ?? 0),
		head: artifactTensor(artifact, "client/head"),
		params: artifactTensor(artifact, "client/params"),
		stats: artifactTensor(artifact, "client/stats"),
		serverParams: artifactTensor(artifact, "server/params"),
		serverStats: artifactTensor(artifact, "server/stats"),
		learningRate: scalar(learningRate),
		step: scalar(1),
	};
}

interface Gradients {
	readonly client: Vector;
	readonly server: Vector;
	readonly losses: Vector;
}

/** The step as device and aggregator make it, over the cut; gradients read off the step of plain descent. */
async function splitGradients(artifact: Artifact, feeds: Tensors): Promise<Gradients> {
	await using forward = await nodeRuntime.load(artifactGraph(artifact, "client/forward"));
	await using server = await nodeRuntime.load(artifactGraph(artifact, "server/train"));
	await using client = await nodeRuntime.load(artifactGraph(artifact, "client/train"));
	const device = await forward.run(feeds);
	const { serverParams, serverStats } = feeds as Record<string, Vector>;
	const slots = zeros("float32", [serverParams?.data.length ?? 0]);
	const onServer = { ...feeds, smashed: device.smashed, params: serverParams, stats: serverStats, slots };
	const cloud = await server.run(onServer as Tensors);
	const back = await client.run({
		...feeds,
		...device,
		cutGradient: cloud.cutGradient as Tensor,
		slots: zeros("float32", [(feeds.params as Vector).data.length]),
		headSlots: zeros("float32", [(feeds.head as Vector).data.length]),
		headLearningRate: scalar(0),
		robustBudget: scalar(artifact.manifest.robustBudget),
	});
	const descent = (before: Tensor | undefined, after: Tensor | undefined): Vector => {
		const [b, a] = [before?.data as Float32Array, after?.data as Float32Array];
		return tensor(
			"float32",
			[b.length],
			b.map((v, i) => (v - (a[i] as number)) / learningRate),
		);
	};
	return {
		client: descent(feeds.params, back.next_params),
		server: descent(serverParams, cloud.next_params),
		losses: cloud.losses as Vector,
	};
}

/** Device and aggregator as one graph without a cut, differentiated from the losses to the device's weights. */
async function jointGradients(artifact: Artifact, feeds: Tensors): Promise<Gradients> {
	const g = new GraphBuilder("joint");
	const inputs = new Map<string, Value>();
	const imported = (name: string, as: (input: string) => string | Value) =>
		importModel(g, artifactGraph(artifact, name), {
			input(input, dtype, shape) {
				const target = as(input);
				if (typeof target !== "string") return target;
				const fixed = shape.map((extent) => (extent === "B" ? batch : extent));
				const value = inputs.get(target) ?? g.input(target, dtype, fixed);
				inputs.set(target, value);
				return value;
			},
			initializer: (_, value) => g.constant(value),
		});
	// The map is a constant for who trains with it.
	const device = imported("client/activations", (input) => input);
	const renamed: Readonly<Record<string, string>> = { params: "serverParams", stats: "serverStats" };
	const cloud = imported("server/train", (input) => {
		if (input === "smashed") return device.get("smashed") as Value;
		const part = vectorPart(input);
		if (part === undefined) return renamed[input] ?? input;
		return vectorPartName(renamed[part.vector] ?? part.vector, part.offset);
	});
	const losses = cloud.get("losses") as Value;
	const streams = artifact.manifest.streams.length;
	const weighted = (weights: readonly number[]) =>
		g.add("ReduceSum", [g.add("Mul", [losses, g.floats(weights)])], { keepdims: { type: "int", value: 0 } });
	const all = new Array<number>(streams).fill(1);
	const onlyLast = all.map((_, i) => (i === streams - 1 ? 1 : 0));
	const steering = artifact.manifest.cutGradient === "fused" ? onlyLast : all.map((w) => w / streams);
	const gradientsOf = (loss: Value, names: readonly string[]) =>
		differentiate(
			g,
			[{ value: loss }],
			names.map((name) => inputs.get(name) as Value),
		);
	g.output("client", gradientsOf(weighted(steering), ["params"])[0] as Value);
	const pieces = [...inputs.keys()].filter((name) => vectorPart(name)?.vector === "serverParams");
	gradientsOf(weighted(all), pieces).forEach((gradient, i) => {
		const { offset } = vectorPart(pieces[i] as string) as VectorPart;
		g.output(vectorPartName("server", offset), gradient as Value);
	});
	g.output("losses", losses);
	await using session = await nodeRuntime.load(encodeModel(g.build()));
	const slots = zeros("float32", [(feeds.serverParams as Vector).data.length]);
	await using forward = await nodeRuntime.load(artifactGraph(artifact, "client/forward"));
	const { map } = await forward.run(feeds);
	const given = map === undefined ? feeds : { ...feeds, map };
	return (await session.run({ ...given, slots })) as unknown as Gradients;
}

const definitions: Readonly<Record<string, ModelDefinition>> = {
	"lenet, vanilla": presetDefinition("none", zooNetwork("lenet"), [1, 12, 12], classes),
	"lenet, mean of three streams, robust": presetDefinition("robust", zooNetwork("lenet"), [2, 12, 12], classes),
	"resnet-small, vanilla": presetDefinition("none", zooNetwork("resnet-small"), [1, 12, 12], classes),
	"ecg-1d, mean of three streams, robust": presetDefinition("robust", zooNetwork("ecg-1d"), [1, 32], classes),
	// Without recovery the fused stream is differentiable all the way in the imported graph too.
	"psgl-paper, fused stream only": {
		...presetDefinition("paper", zooNetwork("psgl-paper"), [1, 12, 12], classes),
		recovery: { kind: "none" },
	},
	"lenet, fused stream only, odd extents": {
		...presetDefinition("paper", zooNetwork("lenet"), [1, 11, 13], classes),
		recovery: { kind: "none" },
	},
	"lenet, robust, not packed": {
		...presetDefinition("robust", zooNetwork("lenet"), [2, 12, 12], classes),
		packing: "none",
	},
};

for (const [name, definition] of Object.entries(definitions)) {
	test.serial(`${name}: the step over the cut has the gradient of one joint graph`, async (t) => {
		const artifact = await compileArtifact({ ...definition, optimiser }, { name: "joint", random: seededRandom(3) });
		const feeds = jointFeeds(artifact);
		const [split, joint] = [await splitGradients(artifact, feeds), await jointGradients(artifact, feeds)];
		t.true(relativeError(split.losses, joint.losses) < 1e-6);
		const errors = [relativeError(split.client, joint.client), relativeError(split.server, joint.server)];
		t.true(Math.max(...errors) < 1e-5, `client and server off by ${errors}`);
		t.true(split.client.data.some((v) => Math.abs(v) > 1e-4));
	});
}

/** Without rectifiers and maxima, at whose kinks finite differences are wrong. */
const smooth: SplitNetwork = {
	name: "smooth",
	summary: "a convolution with batch normalisation on the device, another and a dense layer in the stream",
	spatialAxes: 2,
	rectified: false,
	client: (g, scope, x) => smoothBlock(g, scope, x, 3),
	stream: (g, scope, smashed, outputs) =>
		dense(g, scope.within("dense"), flatten(g, smoothBlock(g, scope.within("conv"), smashed, 2)), outputs),
};

function smoothBlock(g: GraphBuilder, scope: ParameterScope, x: Value, outputs: number): Value {
	return g.add("Tanh", [normalised(g, scope.within("norm"), convolution(g, scope, x, { outputs, kernel: 3 }))]);
}

test.serial("the step over the cut has the gradient that finite differences have", async (t) => {
	const definition = { ...presetDefinition("none", smooth, [1, 8, 8], classes), optimiser };
	const artifact = await compileArtifact(definition, { name: "joint", random: seededRandom(3) });
	const feeds = jointFeeds(artifact);
	const at = await splitGradients(artifact, feeds);
	const halves = [
		["params", at.client, artifact.manifest.client.params],
		["serverParams", at.server, artifact.manifest.server?.params ?? []],
	] as const;
	const step = 1e-2;
	for (const [input, gradient, entries] of halves) {
		for (const entry of entries) {
			const index = entry.offset + (entry.offset % 3);
			const lossAt = async (by: number) => {
				const data = (feeds[input] as Vector).data.slice();
				data[index] = (data[index] as number) + by;
				return (await splitGradients(artifact, { ...feeds, [input]: tensor("float32", [data.length], data) })).losses
					.data[0] as number;
			};
			const difference = ((await lossAt(step)) - (await lossAt(-step))) / (2 * step);
			const got = gradient.data[index] as number;
			t.true(Math.abs(got - difference) < 1e-4 + 0.01 * Math.abs(difference), `${entry.name}: ${got}, ${difference}`);
		}
	}
});
