import { compileArtifact, decodeModel, importNetwork, JointTrainer, presetDefinition, zooNetwork } from "@psgl/models";
import { dropoutSeed, labelTensor, scalar, seededRandom, type Tensor, type Tensors, tensor, zeros } from "@psgl/sdk";
import { type Artifact, artifactGraph, artifactTensor } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { Dataset } from "@psgl/sdk/sources";
import test from "ava";
import { dropoutFile } from "../../helpers/dropout-file.js";
import { largestDifference } from "../../helpers/largest-difference.js";
import { normalTensor } from "../../helpers/operator-gradients.js";

type Vector = Tensor<"float32">;
type Feeds = Record<string, Tensor>;

const classes = ["a", "b", "c"];
const batch = 7;
/** Plain gradient descent with a step so long that the weights it starts from vanish beside it. */
const learningRate = 1e4;

const compiled = () =>
	compileArtifact(
		{
			...presetDefinition("none", importNetwork(dropoutFile(), { name: "dropout", cut: ["cut"] }), [1, 12], classes),
			optimiser: { kind: "sgd", learningRate, momentum: 0, weightDecay: 0 },
		},
		{ name: "dropout", random: seededRandom(2) },
	);

const runOf = async (artifact: Artifact, name: string, feeds: Feeds) => {
	await using session = await nodeRuntime.load(artifactGraph(artifact, name));
	return await session.run(feeds as Tensors);
};

/** What both halves of step `step` are fed with. */
function stepFeeds(artifact: Artifact, step: number): { client: Feeds; server: Feeds } {
	const vector = (name: string) => artifactTensor(artifact, name);
	const common = {
		y: labelTensor(Array.from({ length: batch }, (_, i) => i % 3)),
		learningRate: scalar(learningRate),
		step: scalar(step),
	};
	const [params, head, serverParams] = [vector("client/params"), vector("client/head"), vector("server/params")];
	return {
		client: {
			...common,
			x: normalTensor(seededRandom(3), [batch, 1, 12]),
			params,
			stats: vector("client/stats"),
			head,
			slots: zeros("float32", [params.data.length]),
			headSlots: zeros("float32", [head.data.length]),
			headLearningRate: scalar(0),
			robustBudget: scalar(0),
			dropoutSeed: dropoutSeed(seededRandom(4), step),
		},
		server: {
			...common,
			params: serverParams,
			stats: vector("server/stats"),
			slots: zeros("float32", [serverParams.data.length]),
			classWeights: tensor("float32", [3], new Float32Array(3).fill(1)),
		},
	};
}

test("both halves drop by masks that the step fixes: the step over the cut has the gradient of finite differences", async (t) => {
	const artifact = await compiled();
	const { client, server } = stepFeeds(artifact, 5);
	const lossAt = async (changed: Feeds, changedServer: Feeds = {}) => {
		const pass = await runOf(artifact, "client/forward", { ...client, ...changed });
		const out = await runOf(artifact, "server/train", { ...server, ...changedServer, smashed: pass.smashed as Tensor });
		return { loss: Number(out.losses?.data[0]), pass, out };
	};
	const { pass, out } = await lossAt({});
	const back = await runOf(artifact, "client/train", { ...client, ...pass, cutGradient: out.cutGradient as Tensor });
	const halves = [
		[client, back, (params: Tensor) => lossAt({ params })],
		[server, out, (params: Tensor) => lossAt({}, { params })],
	] as const;
	for (const [feeds, next, lossOf] of halves) {
		const before = feeds.params as Vector;
		const after = next.next_params as Vector;
		for (let i = 0; i < before.data.length; i += 7) {
			const at = async (by: number) => {
				const data = before.data.slice();
				data[i] = (data[i] as number) + by;
				return (await lossOf({ ...before, data })).loss;
			};
			const difference = ((await at(1e-2)) - (await at(-1e-2))) / 2e-2;
			const got = ((before.data[i] as number) - (after.data[i] as number)) / learningRate;
			t.true(Math.abs(got - difference) < 1e-4 + 0.01 * Math.abs(difference), `${i}: ${got}, ${difference}`);
		}
		t.true(largestDifference(before, after) > 1e-2 * learningRate);
	}
});

test("a step computed again drops the same, another step or device other elements, and decisions drop nothing", async (t) => {
	const artifact = await compiled();
	const { client } = stepFeeds(artifact, 5);
	const smashed = async (changed: Feeds, graph = "client/forward") =>
		(await runOf(artifact, graph, { ...client, ...changed })).smashed as Vector;
	const first = await smashed({});
	t.deepEqual(await smashed({ dropoutSeed: dropoutSeed(seededRandom(4), 5) }), first);
	const others = [
		await smashed({ dropoutSeed: dropoutSeed(seededRandom(4), 6) }),
		await smashed({ dropoutSeed: dropoutSeed(seededRandom(4).fork("another device"), 5) }),
		await smashed({}, "client/infer"),
	];
	for (const [i, other] of others.entries()) {
		t.true(largestDifference(other, first) > 0.05, String(i));
	}
	const x = (client.x as Vector).data;
	const bent = Float32Array.from(x.subarray(0, 12), (v, i) => {
		const scale = artifact.manifest.client.params.find(({ name }) => name === "scale")?.offset as number;
		return Math.tanh(v * ((client.params as Vector).data[scale + i] as number));
	});
	const weight = artifact.manifest.client.params.find(({ name }) => name === "first")?.offset as number;
	const unit = bent.reduce((sum, v, i) => sum + v * ((client.params as Vector).data[weight + 8 * i] as number), 0);
	t.true(Math.abs(Math.tanh(unit) - (others[2]?.data[0] as number)) < 1e-5);
});

test("training goes the same way again from the same seed, and another way from another", async (t) => {
	const artifact = await compiled();
	const random = seededRandom(6);
	const data = new Dataset({
		shape: [1, 12],
		classes,
		labels: Int32Array.from({ length: 24 }, (_, i) => i % 3),
		samples: Float32Array.from({ length: 24 * 12 }, () => random.uniform()),
	});
	const trained = async (seed: number) => {
		await using trainer = await JointTrainer.create(artifact, { runtime: nodeRuntime, random: seededRandom(seed) });
		for (let i = 0; i < 4; i++) await trainer.step(data, [i, i + 5, i + 10, i + 15], 0.05);
		return trainer.weights();
	};
	const [once, again, otherwise] = [await trained(1), await trained(1), await trained(2)];
	t.deepEqual(again, once);
	t.notDeepEqual(otherwise.get("client/params"), once.get("client/params"));
});

test("graphs of a client segment without dropout have no seed", async (t) => {
	const plain = await compileArtifact(presetDefinition("none", zooNetwork("lenet"), [1, 12, 12], classes), {
		name: "plain",
		random: seededRandom(1),
	});
	const inputsOf = (artifact: Artifact, name: string) =>
		decodeModel(artifactGraph(artifact, name)).inputs.map((input) => input.name);
	const dropping = await compiled();
	for (const name of ["client/forward", "client/activations", "client/infer"]) {
		t.false(inputsOf(plain, name).includes("dropoutSeed"), name);
		t.is(inputsOf(dropping, name).includes("dropoutSeed"), name !== "client/infer", name);
	}
});
