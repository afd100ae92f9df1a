import { Device } from "@psgl/sdk";
import { artifactTensor } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { EventReader } from "../helpers/event-reader.js";
import { gradientFor, trainRound } from "../helpers/rounds.js";
import { ScriptedAggregator } from "../helpers/scripted-aggregator.js";
import { smallDataset, smallModel } from "../helpers/small-model.js";

const id = "ward-3-pi";

/** Smashed data of the same pictures under the same weights, before and after one gradient came back. */
async function twice(robustBudget: number) {
	const { client, joint } = await smallModel("robust");
	await using aggregator = await ScriptedAggregator.start(client, { robustBudget, mapBudget: 0, batchSize: 8 });
	await using device = await Device.connect({
		url: aggregator.url,
		id,
		runtime: nodeRuntime,
		data: { train: smallDataset(8) },
	});
	const events = new EventReader(device.train());
	await aggregator.expect("resume");
	const tensors = {
		params: artifactTensor(joint, "client/params"),
		stats: artifactTensor(joint, "client/stats"),
		head: artifactTensor(joint, "client/head"),
	};
	const smashed: Float32Array[] = [];
	for (const model of [1, 2]) {
		// The same epoch draws the same order; another version makes it another round.
		await aggregator.send(trainRound(id, { model, tensors, learningRate: 0, headLearningRate: 0 }));
		const batch = await aggregator.expect("batch");
		smashed.push(batch.tensors.smashed.data as Float32Array);
		await aggregator.send(gradientFor(batch));
		await aggregator.expect("weights");
		await aggregator.send({ type: "received", device: id, of: "weights", epoch: 0, seq: 0 });
		await events.next("trained");
	}
	return smashed as [Float32Array, Float32Array];
}

test("robust training keeps a perturbation for each picture and steps it by the gradient that comes back", async (t) => {
	const [before, after] = await twice(3 / 255);
	t.notDeepEqual(after, before);
	const [again] = await twice(3 / 255);
	t.deepEqual(again, before, "it starts from the seed");
	const [wider] = await twice(6 / 255);
	t.notDeepEqual(wider, before);
});

test("without a budget for it the pictures stay as they are", async (t) => {
	const [before, after] = await twice(0);
	t.deepEqual(after, before);
});
