import { cloudLimits, resolveSettings } from "@psgl/cloud";
import { artifactTensor } from "@psgl/sdk/artifact";
import type { ClientWeights } from "@psgl/sdk/protocol";
import test from "ava";
import { startCloud } from "../helpers/cloud.js";
import { ScriptedDevice } from "../helpers/scripted-device.js";
import { smallModel } from "../helpers/small-model.js";

test("devices that learn by themselves average once a round, unless told otherwise", async (t) => {
	const [coded, plain] = [(await smallModel("shield")).joint, (await smallModel("none")).joint];
	t.is(resolveSettings({}, coded.manifest).averageEvery, 0);
	t.is(resolveSettings({ averageEvery: 4 }, coded.manifest).averageEvery, 4);
	t.is(resolveSettings({}, plain.manifest).averageEvery, 4);
});

test("maxCachedCodes: codes of more samples than the aggregator keeps are refused, and the run goes on", async (t) => {
	const { joint } = await smallModel("shield");
	const { smashedShape, code } = joint.manifest;
	const id = "ward-3";
	await using cloud = await startCloud(joint, { rounds: 1, averageEvery: 1, batchSize: 8 });
	await using device = await ScriptedDevice.join(cloud.url, id);
	const local = await device.next("round");
	t.is(local.task, "local");
	const of = (name: string) => artifactTensor(joint, `client/${name}`);
	const weights: ClientWeights = { params: of("params"), stats: of("stats"), head: of("head") };
	let round = local;
	while (round.task === "local") {
		const { epoch, model } = round;
		await device.send({ type: "weights", device: id, epoch, model, samples: 8, tensors: weights });
		round = await device.next("round");
	}
	t.is(round.task, "code");
	const samples = cloudLimits.maxCachedCodes + 1;
	const size = smashedShape.reduce((a, b) => a * b, 1);
	const smashed = {
		dtype: "uint8",
		dims: [samples, ...smashedShape],
		bits: code?.bits ?? 0,
		data: new Uint8Array(samples * size),
	} as const;
	const labels = { dtype: "uint8", dims: [samples], data: new Uint8Array(samples) } as const;
	const { epoch, model } = round;
	const place = { type: "codes", device: id, epoch, seq: 0, model, part: "train", last: true } as const;
	await device.send({ ...place, tensors: { smashed, labels } });
	t.like(await device.next("refused"), { of: "codes", code: "PSGL_CODES_FULL", retry: false });
	t.is((await cloud.aggregator.result).reason, "finished");
});
