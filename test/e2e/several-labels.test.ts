import { compileArtifact, DeployedSystem, JointTrainer, type MultiLabelMetrics } from "@psgl/models";
import { Device, ShapeError, seededRandom } from "@psgl/sdk";
import { type Artifact, artifactTensor, decodeArtifact } from "@psgl/sdk/artifact";
import type { BatchMessage, LabelTensor } from "@psgl/sdk/protocol";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { Dataset } from "@psgl/sdk/sources";
import test from "ava";
import { areaShape, areas, areasDefinition } from "../helpers/areas.js";
import { startCloud } from "../helpers/cloud.js";
import { EndToEndTrainer } from "../helpers/end-to-end-trainer.js";
import { exactSettings, sameVectors, stepsOf } from "../helpers/exact-run.js";
import { ScriptedDevice, scriptedBatch } from "../helpers/scripted-device.js";
import { smallDataset } from "../helpers/small-model.js";

const seed = 11;
const batchSize = 8;
const learningRate = 0.005;
const exact = {
	batchSize,
	seed,
	learningRate,
	...exactSettings,
} as const;

const compile = (mode: "none" | "paper" | "robust") =>
	compileArtifact(areasDefinition(mode), { name: "areas", random: seededRandom(1) });

test("several labels a sample: training over MQTT gives the weights of ordinary end-to-end training", async (t) => {
	const id = "only-device";
	const data = areas(48, 2);
	const joint = await compile("none");
	await using cloud = await startCloud(joint, { ...exact, rounds: 4 });
	await using device = await Device.connect({ url: cloud.url, id, runtime: nodeRuntime, data: { train: data } });
	const splitLosses: number[] = [];
	for await (const event of device.train()) {
		t.not(event.type, "refused");
		if (event.type === "step") splitLosses.push(event.losses.A ?? Number.NaN);
	}
	const { artifact, counts } = await cloud.aggregator.result;
	t.like(counts, { applied: 24, lost: 0, doubled: 0, samples: 192 });
	const trained = await decodeArtifact(artifact);

	const reference = await EndToEndTrainer.create(areasDefinition("none"), joint);
	const losses: number[] = [];
	for (const { indices } of stepsOf({ id, seed, samples: data.length, rounds: 4, batchSize })) {
		losses.push(await reference.step(data, indices, learningRate));
	}
	for (const [i, loss] of losses.entries()) t.true(Math.abs(loss - (splitLosses[i] ?? 0)) <= 1e-4, `step ${i}`);
	t.true((losses.at(-1) ?? 1) < 0.7 * (losses[0] ?? 0), "something was learned");
	sameVectors(t, { before: joint, trained }, reference.vectors(), { within: 1e-5, moved: 0.01 });
});

test("several labels a sample: map, streams, positive weights and local head do over MQTT what they do in one process", async (t) => {
	const id = "only-device";
	const data = areas(32, 3);
	const joint = await compile("paper");
	const weights = [1, 2, 4];
	await using cloud = await startCloud(joint, { ...exact, rounds: 2, classWeights: weights });
	await using device = await Device.connect({ url: cloud.url, id, runtime: nodeRuntime, data: { train: data } });
	for await (const event of device.train()) t.not(event.type, "refused");
	const trained = await decodeArtifact((await cloud.aggregator.result).artifact);
	await using reference = await JointTrainer.create(joint, {
		runtime: nodeRuntime,
		random: seededRandom(2),
		classWeights: { dtype: "float32", dims: [3], data: Float32Array.from(weights) },
	});
	for (const { indices } of stepsOf({ id, seed, samples: data.length, rounds: 2, batchSize })) {
		await reference.step(data, indices, learningRate);
	}
	sameVectors(t, { before: joint, trained }, reference.weights(), { within: 1e-5, moved: 1e-4 });
});

test("devices learn several labels together, are measured on them, and get the probability of each", async (t) => {
	const joint = await compile("robust");
	await using cloud = await startCloud(joint, { rounds: 6, batchSize, minDevices: 2, seed, learningRate, patience: 6 });
	const held = areas(40, 9);
	const connect = (id: string, own: number) =>
		Device.connect({
			url: cloud.url,
			id,
			runtime: nodeRuntime,
			data: {
				train: areas(96, own),
				validation: held.subset([...held.labels.keys()].filter((i) => i % 2 === own % 2)),
			},
		});
	await using first = await connect("a", 20);
	await using second = await connect("b", 21);
	const localAccuracies: number[] = [];
	await Promise.all(
		[first, second].map(async (device) => {
			for await (const event of device.train()) {
				t.not(event.type, "refused");
				if (event.type === "validated") localAccuracies.push(event.localAccuracy);
			}
		}),
	);
	const { validation, artifact } = await cloud.aggregator.result;
	const fused = validation?.fused as MultiLabelMetrics;
	t.is(fused.samples, 40);
	t.is(fused.aucs.length, 3);
	t.true(fused.auc > 0.85, `AUC ${fused.auc}`);
	t.true(fused.accuracy > fused.majorityAccuracy + 0.1, `${fused.accuracy}, ${fused.majorityAccuracy}`);
	t.true(fused.exactMatch > fused.majorityExactMatch, `${fused.exactMatch}, ${fused.majorityExactMatch}`);
	t.true(localAccuracies.every((share) => share > 0 && share <= 1));
	t.true((localAccuracies.at(-1) ?? 0) > 0.6, "the local head has learned labels");

	const trained = await decodeArtifact(artifact);
	await using system = await DeployedSystem.load(trained, areasDefinition("robust"), nodeRuntime);
	const { x } = held.batch([0, 1, 2, 3]);
	const decision = await first.infer(x);
	t.is(decision.source, "aggregator");
	t.deepEqual(decision.scores.dims, [4, 3]);
	const scores = await system.scores(x);
	const expected = Float32Array.from(
		{ length: 12 },
		(_, i) => scores.data[(Math.floor(i / 3) * 4 + 3) * 3 + (i % 3)] ?? 0,
	);
	// Smashed data travelled as float16.
	t.true(decision.scores.data.every((p, i) => Math.abs(p - (expected[i] ?? 2)) < 0.01));
	t.deepEqual(
		decision.labels,
		Uint8Array.from(decision.scores.data, (p) => (p > 0.5 ? 1 : 0)),
	);

	await cloud.broker.close();
	const alone = await first.infer(x);
	t.is(alone.source, "local-head");
	t.true(alone.scores.data.every((p) => p > 0 && p < 1));
	t.deepEqual(
		alone.labels,
		Uint8Array.from(alone.scores.data, (p) => (p > 0.5 ? 1 : 0)),
	);
	const sums = [0, 1, 2, 3].map((n) => alone.scores.data.subarray(3 * n, 3 * n + 3).reduce((a, b) => a + b, 0));
	t.true(
		sums.some((sum) => Math.abs(sum - 1) > 0.05),
		"independent of each other, they need not add up to 1",
	);
});

test("poisoned labels from the network are refused and change nothing", async (t) => {
	const joint = await compile("none");
	await using cloud = await startCloud(joint, { ...exact, rounds: 1, averageEvery: 0 });
	await using device = await ScriptedDevice.join(cloud.url, "a", {
		classes: 3,
		inputShape: areaShape,
		samples: { train: 64, validation: 2 },
	});
	await device.next("round");
	const { smashedShape } = joint.manifest;
	const marks = (dims: number[], values: number[]): LabelTensor => ({
		dtype: "uint8",
		dims,
		data: Uint8Array.from(values),
	});
	const poisoned: LabelTensor[] = [
		marks([2, 3], [0, 1, 0, 1, 2, 0]),
		marks([2, 3], [0, 1, 0, 1, 255, 0]),
		marks([2, 4], [0, 1, 0, 1, 0, 0, 0, 0]),
		marks([2, 2], [0, 1, 0, 1]),
		marks([2], [0, 1]),
		{ dtype: "int32", dims: [2], data: Int32Array.of(-1, 2) },
	];
	for (const [seq, labels] of poisoned.entries()) {
		const message = scriptedBatch("a", { epoch: 1, seq, samples: 2 }, smashedShape);
		await device.send({ ...message, tensors: { ...message.tensors, labels } } satisfies BatchMessage);
		t.like(await device.next("refused"), { of: "batch", code: "PSGL_BATCH_LABEL", seq, retry: false });
	}
	const message = scriptedBatch("a", { epoch: 1, seq: poisoned.length, samples: 2 }, smashedShape);
	await device.send({ ...message, tensors: { ...message.tensors, labels: marks([2, 3], [0, 1, 0, 1, 1, 0]) } });
	const { losses } = await device.next("gradient");
	t.true(losses.every((loss) => loss > 0 && loss < 2));

	const vector = (name: string) => artifactTensor(joint, `client/${name}`);
	const tensors = { params: vector("params"), stats: vector("stats"), head: vector("head") };
	await device.send({ type: "weights", device: "a", epoch: 1, model: 0, samples: 2, tensors });
	t.like(await device.next("round"), { epoch: 1, task: "validate" });
	const { type: _, ...fields } = message;
	const evaluate = (labels: LabelTensor, seq: number) =>
		device.send({ ...fields, type: "evaluate", seq, last: true, tensors: { ...fields.tensors, labels } });
	await evaluate(marks([2, 3], [0, 1, 0, 1, 7, 0]), 0);
	t.like(await device.next("refused"), { of: "evaluate", code: "PSGL_BATCH_LABEL", seq: 0 });
	const { validation, counts } = await cloud.aggregator.result;
	t.is(validation, undefined);
	t.like(counts, { applied: 1, refused: 6, lost: 0, doubled: 0, samples: 2 });
});

const mixed: readonly (readonly [string, () => Promise<Artifact>, typeof areas])[] = [
	[
		"one class a sample, for a model of several labels",
		() => compile("none"),
		(count) => {
			const { shape, classes, samples } = areas(count, 1);
			const { labels } = smallDataset(count);
			return new Dataset({ shape, classes, labels, samples });
		},
	],
	[
		"several labels a sample, for a model of classes",
		() =>
			compileArtifact(
				{ ...areasDefinition("none"), loss: { kind: "cross-entropy", labelSmoothing: 0 } },
				{ name: "areas", random: seededRandom(1) },
			),
		areas,
	],
];

for (const [what, model, data] of mixed) {
	test(`${what}: the device says that its labels do not fit, and sends nothing of them`, async (t) => {
		await using cloud = await startCloud(await model(), { rounds: 1 });
		await using device = await Device.connect({
			url: cloud.url,
			id: "a",
			runtime: nodeRuntime,
			data: { train: data(16, 1) },
		});
		const run = async () => {
			for await (const event of device.train()) t.not(event.type, "step");
		};
		const error = await t.throwsAsync(run(), { instanceOf: ShapeError });
		t.is(error?.code, "PSGL_DEVICE_LABELS");
	});
}
