import { presetDefinition, zooNetwork } from "@psgl/models";
import { Device, seededRandom } from "@psgl/sdk";
import { artifactTensor, decodeArtifact } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { startCloud } from "../helpers/cloud.js";
import { EndToEndTrainer } from "../helpers/end-to-end-trainer.js";
import { largestDifference } from "../helpers/largest-difference.js";
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
			schedule: { kind: "constant", warmUpRounds: 0 },
			weightAveraging: false,
			smashedDtype: "float32",
			gradientDtype: "float32",
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
		for (let round = 1; round <= rounds; round++) {
			const order = seededRandom(seed).fork(id).fork(`epoch ${round}`).permutation(data.length);
			for (let from = 0; from < order.length; from += batchSize) {
				const indices = order.subarray(from, from + batchSize);
				referenceLosses.push(await reference.step(data, indices, learningRate));
			}
		}
		t.is(splitLosses.length, 50);
		for (const [i, loss] of referenceLosses.entries()) t.true(Math.abs(loss - (splitLosses[i] ?? 0)) <= 1e-4);
		t.true((referenceLosses.at(-1) ?? 1) < 0.5 * (referenceLosses[0] ?? 0), "something was learned");
		for (const [name, vector] of [
			["client/params", reference.state.client],
			["client/stats", reference.state.clientStats],
			["server/params", reference.state.server],
			["server/stats", reference.state.serverStats],
		] as const) {
			const difference = largestDifference(artifactTensor(trained, name), vector);
			t.log(`${name}: largest difference ${difference}`);
			t.true(difference <= 1e-5, `${name} differs by ${difference}`);
			t.true(largestDifference(artifactTensor(joint, name), vector) > 0.01, `${name} has moved`);
		}
	});
