import { learningRateShare } from "@psgl/cloud";
import { clientHalf, compileArtifact, JointTrainer, presetDefinition, zooNetwork } from "@psgl/models";
import { Device, seededRandom, tensor } from "@psgl/sdk";
import { artifactTensor, decodeArtifact } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { startCloud } from "../helpers/cloud.js";
import { exactSettings, sameVectors, stepsOf } from "../helpers/exact-run.js";
import { smallDataset, smallShape } from "../helpers/small-model.js";

const rounds = 3;
const batchSize = 8;
const seed = 11;
const learningRate = 0.02;
const schedule = { kind: "cosine", warmUpRounds: 1 } as const;
const classWeights = [1, 3];

test("loss, accumulation, clipping, frozen parameters and schedule do over MQTT what they do in one process", async (t) => {
	const id = "only-device";
	// Five batches a round: rounds end in the middle of an accumulation.
	const data = smallDataset(40);
	const definition = {
		...presetDefinition("none", zooNetwork("lenet"), smallShape, data.classes),
		loss: { kind: "focal", gamma: 2 } as const,
		optimiser: { kind: "sgd", learningRate, momentum: 0.9, weightDecay: 0.01, nesterov: true } as const,
		gradientClipping: { kind: "norm", limit: 0.1 } as const,
		accumulationSteps: 2,
		frozen: ["client.conv1.*", "server.A.dense1.weight"],
	};
	const joint = await compileArtifact(definition, { name: "small", random: seededRandom(1) });
	await using cloud = await startCloud(joint, {
		rounds,
		batchSize,
		seed,
		learningRate,
		...exactSettings,
		schedule,
		classWeights,
	});
	await using device = await Device.connect({ url: cloud.url, id, runtime: nodeRuntime, data: { train: data } });
	for await (const event of device.train()) t.not(event.type, "refused");
	const { artifact, counts } = await cloud.aggregator.result;
	t.like(counts, { applied: 15, lost: 0, doubled: 0 });
	const trained = await decodeArtifact(artifact);

	const random = seededRandom(2);
	const weights = tensor("float32", [2], Float32Array.from(classWeights));
	await using reference = await JointTrainer.create(joint, { runtime: nodeRuntime, random, classWeights: weights });
	for (const { round, indices } of stepsOf({ id, seed, samples: data.length, rounds, batchSize })) {
		await reference.step(data, indices, learningRate * learningRateShare(schedule, round, rounds));
	}
	sameVectors(t, { before: joint, trained }, reference.weights(), { within: 1e-6, moved: 1e-4 });
	for (const entry of trained.manifest.client.params.filter((p) => p.name.startsWith("conv1."))) {
		const length = entry.shape.reduce((a, b) => a * b, 1);
		const part = (of: typeof trained) =>
			artifactTensor(of, "client/params").data.subarray(entry.offset, entry.offset + length);
		t.deepEqual(part(trained), part(joint), entry.name);
	}
	const half = await decodeArtifact(await clientHalf(trained));
	t.deepEqual(half.manifest.frozen, definition.frozen);
});
