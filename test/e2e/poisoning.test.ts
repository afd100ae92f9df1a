import type { AggregatorSettings } from "@psgl/cloud";
import { Device } from "@psgl/sdk";
import { artifactTensor, decodeArtifact } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { startCloud } from "../helpers/cloud.js";
import { interceptedRuntime } from "../helpers/intercepted-runtime.js";
import { type SmallModel, smallDataset, smallModel } from "../helpers/small-model.js";

let model: SmallModel;

test.before(async () => {
	model = await smallModel();
});

/** Each step of the client segment ends with all weights a hundred. */
const hostile = interceptedRuntime(async (_, run) => {
	const outputs = await run();
	const params = outputs.next_params;
	if (params === undefined) return outputs;
	return { ...outputs, next_params: { ...params, data: new Float32Array(params.data.length).fill(100) } };
});

/** Trains a round with four honest devices and a hostile one: the client's largest weight, and who was left out. */
async function train(settings: AggregatorSettings) {
	const run = { rounds: 1, minDevices: 5, batchSize: 8, averageEvery: 0, weightAveraging: false };
	await using cloud = await startCloud(model.joint, { ...run, ...settings });
	const devices = Array.from({ length: 5 }, async (_, i) => {
		await using device = await Device.connect({
			url: cloud.url,
			id: `device-${i}`,
			runtime: i === 4 ? hostile : nodeRuntime,
			data: { train: smallDataset(8, i + 1) },
		});
		for await (const _ of device.train());
	});
	const outliers: string[] = [];
	for await (const event of cloud.aggregator.events()) {
		if (event.type === "outlier") outliers.push(event.device);
		if (event.type === "end") break;
	}
	const { artifact } = await cloud.aggregator.result;
	await Promise.all(devices);
	const { data } = artifactTensor(await decodeArtifact(artifact), "client/params");
	return { largest: Math.max(...data.map(Math.abs)), outliers };
}

test("one hostile device spoils the mean, and neither the other ways to average nor the mean under guard", async (t) => {
	const mean = await train({ averaging: "mean" });
	t.true(mean.largest > 10);
	t.deepEqual(mean.outliers, []);
	for (const averaging of ["trimmed-mean", "median", "krum"] as const) {
		t.true((await train({ averaging })).largest < 2, averaging);
	}
	const guarded = await train({ outlierGuard: true });
	t.true(guarded.largest < 2);
	t.deepEqual(guarded.outliers, ["device-4"]);
});
