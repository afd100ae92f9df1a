import {
	compileArtifact,
	modelLayout,
	type PrivacyMode,
	presetDefinition,
	privacyModes,
	type SplitNetwork,
	zoo,
	zooNetwork,
} from "@psgl/models";
import { ConfigError, labelTensor, type Session, scalar, seededRandom, type Tensor, tensor, zeros } from "@psgl/sdk";
import { type Artifact, artifactGraph } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";

const pictures = [
	[1, 28, 28],
	[3, 28, 28],
	[1, 64, 64],
	[1, 33, 27],
];
const shapesOf = (network: SplitNetwork) => (network.spatialAxes === 2 ? pictures : [[1, 128]]);
const classes = ["a", "b", "c"];

/** Smashed data of one sample, worked out by hand from the layers. */
const smashedShapes: Readonly<Record<string, readonly number[]>> = {
	"lenet 1x28x28": [32, 7, 7],
	"lenet 3x28x28": [32, 7, 7],
	"lenet 1x64x64": [32, 16, 16],
	"lenet 1x33x27": [32, 8, 7],
	"resnet-small 1x28x28": [32, 7, 7],
	"resnet-small 3x28x28": [32, 7, 7],
	"resnet-small 1x64x64": [32, 16, 16],
	"resnet-small 1x33x27": [32, 9, 7],
	"psgl-paper 1x28x28": [64, 7, 7],
	"psgl-paper 3x28x28": [64, 7, 7],
	"psgl-paper 1x64x64": [64, 16, 16],
	"psgl-paper 1x33x27": [64, 8, 7],
	"ecg-1d 1x128": [32, 32],
};

type Feeds = Record<string, Tensor>;

function noise(dims: readonly number[], high = 1): Tensor<"float32"> {
	const random = seededRandom(2);
	const data = zeros("float32", dims).data.map(() => high * random.uniform());
	return tensor("float32", dims, data);
}

/** Everything the graphs of a training step take that does not come out of one. */
function feedsFor({ tensors, manifest }: Artifact, batch: number): { client: Feeds; server: Feeds } {
	const slots = (name: string) => zeros("float32", [2 * (tensors.get(name)?.data.length ?? 0)]);
	const vectorOf = (name: string) => tensors.get(name) as Tensor;
	const common = {
		y: labelTensor(Array.from({ length: batch }, (_, b) => b % classes.length)),
		learningRate: scalar(0.01),
		step: scalar(1),
	};
	const input = [batch, ...manifest.inputShape];
	return {
		client: {
			...common,
			x: noise(input),
			delta: noise(input, manifest.robustBudget),
			params: vectorOf("client/params"),
			stats: vectorOf("client/stats"),
			slots: slots("client/params"),
			head: vectorOf("client/head"),
			headSlots: slots("client/head"),
			headLearningRate: scalar(0.1),
			budget: scalar(manifest.map?.budget ?? 0),
			robustBudget: scalar(manifest.robustBudget),
		},
		server: {
			...common,
			params: vectorOf("server/params"),
			stats: vectorOf("server/stats"),
			slots: slots("server/params"),
			classWeights: tensor("float32", [3], Float32Array.of(1, 1, 1)),
		},
	};
}

/** Runs graphs of an artifact, each loaded once. */
class Graphs implements AsyncDisposable {
	readonly #artifact: Artifact;
	readonly #sessions = new Map<string, Session>();

	constructor(artifact: Artifact) {
		this.#artifact = artifact;
	}

	async run(name: string, feeds: Feeds): Promise<Feeds> {
		const session = this.#sessions.get(name) ?? (await nodeRuntime.load(artifactGraph(this.#artifact, name)));
		this.#sessions.set(name, session);
		return await session.run(feeds);
	}

	async [Symbol.asyncDispose](): Promise<void> {
		for (const session of this.#sessions.values()) await session.close();
	}
}

const dimsOf = (outputs: Feeds) => Object.fromEntries(Object.entries(outputs).map(([name, { dims }]) => [name, dims]));
const allFinite = (outputs: Feeds) =>
	Object.values(outputs).every((o) => (o.data as Float32Array).every(Number.isFinite));

for (const network of zoo) {
	for (const shape of shapesOf(network)) {
		const label = `${network.name} ${shape.join("x")}`;
		for (const mode of privacyModes) {
			// Colour and size go with one mode each: the graphs of the others differ in nothing they touch.
			if ((shape[0] === 3 && mode !== "robust") || (shape[1] === 64 && mode !== "paper")) continue;
			test.serial(`${label}, ${mode}: every graph runs, with the documented shapes`, async (t) => {
				const artifact = await compileArtifact(presetDefinition(mode, network, shape, classes), {
					name: "zoo",
					random: seededRandom(1),
				});
				const { manifest } = artifact;
				const coded = mode === "shield";
				const plain = coded || mode === "none";
				const cut = coded ? [manifest.code?.numbers] : smashedShapes[label];
				t.deepEqual(manifest.smashedShape as unknown, cut);
				const streams = plain ? ["A"] : ["A", "R", "F"];
				t.deepEqual(manifest.streams, streams);
				await using graphs = new Graphs(artifact);
				for (const batch of [2, 7]) await trainingStep(batch);
				for (const batch of [1, 3]) await inference(batch);

				async function trainingStep(batch: number): Promise<void> {
					const feeds = feedsFor(artifact, batch);
					const input = [batch, ...shape];
					const smashed = [batch, ...manifest.smashedShape];
					const forward = await graphs.run("client/forward", feeds.client);
					const sent = plain ? { smashed } : { smashed, map: input };
					t.like(dimsOf(forward), sent);
					t.is(
						Object.keys(forward).filter((name) => name.startsWith("activation.")).length,
						Object.keys(forward).length - Object.keys(sent).length,
					);
					const server = await graphs.run("server/train", { ...feeds.server, smashed: forward.smashed as Tensor });
					const { params, stats, slots } = feeds.server;
					t.deepEqual(dimsOf(server), {
						cutGradient: smashed,
						total: [],
						losses: [streams.length],
						scores: [batch, streams.length + 1, 3],
						...dimsOf({ next_params: params, next_slots: slots, next_stats: stats } as Feeds),
					});
					const back = { ...feeds.client, ...forward, cutGradient: server.cutGradient as Tensor };
					const next = await graphs.run("client/train", back);
					const { head, headSlots, ...client } = feeds.client;
					t.deepEqual(dimsOf(next), {
						...dimsOf({ next_params: client.params, next_slots: client.slots, next_stats: client.stats } as Feeds),
						...dimsOf({ next_head: head, next_headSlots: headSlots } as Feeds),
						localLoss: [],
						...(manifest.robustBudget > 0 ? { next_delta: input } : {}),
					});
					for (const outputs of [forward, server, next]) t.true(allFinite(outputs));
				}

				async function inference(batch: number): Promise<void> {
					const feeds = feedsFor(artifact, batch);
					const device = await graphs.run("client/infer", feeds.client);
					const map = plain ? {} : { map: [batch, ...shape] };
					t.deepEqual(dimsOf(device), {
						smashed: [batch, ...manifest.smashedShape],
						...map,
						localScores: [batch, 3],
					});
					const smashed = device.smashed as Tensor;
					const answer = await graphs.run("server/infer", { ...feeds.server, smashed });
					t.deepEqual(dimsOf(answer), {
						scores: [batch, streams.length + 1, 3],
						logits: [batch, streams.length, 3],
					});
					t.true(allFinite(device) && allFinite(answer));
					if (network.rectified && !coded) t.true((smashed.data as Float32Array).every((v) => v >= 0));
				}
			});
		}
	}
}

test("a zoo model that does not exist is refused with the names of those that do", (t) => {
	const error = t.throws(() => zooNetwork("resnet-50"), { instanceOf: ConfigError });
	t.is(error?.code, "PSGL_ZOO_UNKNOWN");
	t.is(error?.expected, "lenet, resnet-small, ecg-1d, psgl-paper");
	for (const network of zoo) t.is(zooNetwork(network.name), network);
});

const layoutOf = (name: string, shape: readonly number[], mode: PrivacyMode = "none") =>
	modelLayout(presetDefinition(mode, zooNetwork(name), shape, classes));

test("inputs of another kind or too small are refused", (t) => {
	const wrong: readonly [string, readonly number[]][] = [
		["lenet", [1, 128]],
		["ecg-1d", [1, 28, 28]],
		["resnet-small", [28, 28]],
		["lenet", [1, 2, 2]],
		["psgl-paper", [1, 28, 1]],
		["ecg-1d", [1, 2]],
	];
	for (const [name, shape] of wrong) {
		const error = t.throws(() => layoutOf(name, shape), { instanceOf: ConfigError }, `${name} ${shape}`);
		t.is(error?.code, "PSGL_MODEL_INPUT");
	}
});

test("robust training: few pictures get a larger perturbation, signals and the shield a smaller one, other modes none", (t) => {
	const budget = (name: string, mode: PrivacyMode, samples?: number) => {
		const network = zooNetwork(name);
		const shape = network.spatialAxes === 1 ? [1, 128] : [1, 28, 28];
		return Math.round(2550 * presetDefinition(mode, network, shape, classes, samples).robustBudget) / 10;
	};
	t.deepEqual(
		[999, 1000, undefined].map((samples) => budget("lenet", "robust", samples)),
		[3, 2, 2],
	);
	t.is(budget("ecg-1d", "robust", 10), 1);
	t.deepEqual([budget("lenet", "shield", 999), budget("ecg-1d", "shield")], [0.5, 0.5]);
	t.deepEqual([budget("lenet", "paper", 10), budget("lenet", "none", 10)], [0, 0]);
});
