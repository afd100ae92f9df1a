import { presetDefinition, zooNetwork } from "@psgl/models";
import { Device } from "@psgl/sdk";
import { decodeArtifact } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { startCloud } from "../helpers/cloud.js";
import { EndToEndTrainer } from "../helpers/end-to-end-trainer.js";
import { exactSettings, sameVectors, stepsOf } from "../helpers/exact-run.js";
import { smallDataset, smallModel, smallShape } from "../helpers/small-model.js";

const rounds = 5;
const batchSize = 8;
const seed = 11;
const learningRate = 0.005;

for (const labels of ["shared", "device"] as const)
	test(`training over MQTT in float32, labels ${labels}, gives the weights of ordinary end-to-end training`, async (t) => {
		const id = "only-device";
		const data = smallDataset(80);
		const { joint } = await smallModel("none", { labels });
		await using cloud = await startCloud(joint, {
			rounds,
			batchSize,
			seed,
			learningRate,
			...exactSettings,
		});
		await using device = await Device.connect({ url: cloud.url, id, runtime: nodeRuntime, data: { train: data } });
		const splitLosses: number[] = [];
		for await (const event of device.train()) if (event.type === "step") splitLosses.push(event.losses.A ?? Number.NaN);
		const { artifact, counts } = await cloud.aggregator.result;
		t.like(counts, { applied: 50, lost: 0, doubled: 0, samples: 400 });
		const trained = await decodeArtifact(artifact);

		const preset = presetDefinition("none", zooNetwork("lenet"), smallShape, joint.manifest.classes);
		const definition = { ...preset, tail: joint.manifest.tail };
		const reference = await EndToEndTrainer.create(definition, joint);
		const referenceLosses: number[] = [];
		for (const { indices } of stepsOf({ id, seed, samples: data.length, rounds, batchSize })) {
			referenceLosses.push(await reference.step(data, indices, learningRate));
		}
		t.is(splitLosses.length, 50);
		for (const [i, loss] of referenceLosses.entries()) t.true(Math.abs(loss - (splitLosses[i] ?? 0)) <= 1e-4);
		t.true((referenceLosses.at(-1) ?? 1) < 0.5 * (referenceLosses[0] ?? 0), "something was learned");
		sameVectors(t, { before: joint, trained }, reference.vectors(), { within: 1e-5, moved: 0.01 });
	});
