import { Device, type DeviceEvent, figureLimits, zeros } from "@psgl/sdk";
import type { FeaturesMessage, ForwardMessage } from "@psgl/sdk/protocol";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { type MemoryRecords, memoryDeviceStore } from "@psgl/sdk/store";
import test from "ava";
import { EventReader } from "../helpers/event-reader.js";
import { trainRound } from "../helpers/rounds.js";
import { ScriptedAggregator } from "../helpers/scripted-aggregator.js";
import { type SmallModel, smallDataset, smallModel } from "../helpers/small-model.js";

const id = "ward-3-pi";
let model: SmallModel;
test.before(async () => {
	model = await smallModel("none", { labels: "device" });
});

/** A device that keeps its labels, at a scripted aggregator. */
async function connect(aggregator: ScriptedAggregator, validation = 20, records: MemoryRecords = new Map()) {
	const data = { train: smallDataset(8), validation: smallDataset(validation, 2) };
	const store = memoryDeviceStore(records);
	const device = await Device.connect({ url: aggregator.url, id, runtime: nodeRuntime, data, store });
	const events = new EventReader<DeviceEvent>(device.train());
	return {
		events,
		async [Symbol.asyncDispose]() {
			await device.close();
			await events.done.catch(() => undefined);
		},
	};
}

function featuresFor({ device, task, epoch, seq, model, tensors }: ForwardMessage, width = 32): FeaturesMessage {
	const features = zeros("float32", [tensors.smashed.dims[0] as number, 1, width]);
	features.data.forEach((_, i) => {
		features.data[i] = Math.sin(i);
	});
	return { type: "features", device, task, epoch, seq, model, tensors: { features } };
}

function gradientFor({ epoch, seq, model, tensors }: ForwardMessage) {
	const { dims, data } = tensors.smashed;
	const cutGradient = { dtype: "float32", dims, data: Float32Array.from(data as Float32Array, Math.cos) } as const;
	return { type: "gradient", device: id, epoch, seq, model, losses: [], tensors: { cutGradient } } as const;
}

test("features of another shape are asked for again; the tail learns with the client segment", async (t) => {
	await using aggregator = await ScriptedAggregator.start(model.client, { protocol: 1 });
	await using run = await connect(aggregator);
	await aggregator.expect("resume");
	await aggregator.send(trainRound(id, { epoch: 1 }));
	const first = await aggregator.expect("forward");
	await aggregator.send(featuresFor(first, 31));
	const { error } = await run.events.next("rejected");
	t.is(error.code, "PSGL_DEVICE_FEATURES");
	t.like(await aggregator.expect("resume"), { awaiting: "features", epoch: 1, seq: 0 });
	await aggregator.send(featuresFor(first));
	const { tensors } = await aggregator.expect("backward");
	t.deepEqual(tensors.featureGradient.dims, [4, 1, 32]);
	t.true(tensors.featureGradient.data.some((value) => value !== 0));
	await aggregator.send(gradientFor(first));
	const second = await aggregator.expect("forward");
	await aggregator.send(featuresFor(second));
	await aggregator.expect("backward");
	await aggregator.send(gradientFor(second));
	const weights = await aggregator.expect("weights");
	const before = model.joint.tensors.get("client/params")?.data as Float32Array;
	for (const { name, offset } of model.joint.manifest.client.params.slice(-2)) {
		t.true(name.startsWith("tail.A."));
		t.not(weights.tensors.params.data[offset], before[offset], `${name} has moved`);
	}
	await aggregator.send({ type: "received", device: id, of: "weights", epoch: 1, seq: 0 });
	const step = await run.events.next("step");
	t.true((step.losses.A ?? 0) > 0);
});

test("a device that dies between the halves sends both again as they were", async (t) => {
	await using aggregator = await ScriptedAggregator.start(model.client, { protocol: 1 });
	const records: MemoryRecords = new Map();
	let first: ForwardMessage;
	let gradient: unknown;
	{
		await using _ = await connect(aggregator, 20, records);
		await aggregator.expect("resume");
		await aggregator.send(trainRound(id, { epoch: 1 }));
		first = await aggregator.expect("forward");
		await aggregator.send(featuresFor(first));
		gradient = (await aggregator.expect("backward")).tensors;
	}
	await aggregator.expect("bye");
	await using _ = await connect(aggregator, 20, records);
	t.like(await aggregator.expect("resume"), { awaiting: "features", epoch: 1, seq: 0 });
	await aggregator.send(featuresFor(first));
	t.like(await aggregator.expect("resume"), { awaiting: "gradient", epoch: 1, seq: 0 });
	await aggregator.send({
		type: "refused",
		device: id,
		epoch: 1,
		seq: 0,
		code: "PSGL_BATCH_MISSING",
		what: "it has not come",
		retry: true,
	});
	t.deepEqual((await aggregator.expect("backward")).tensors, gradient);
});

for (const samples of [figureLimits.leastFigureSamples - 1, figureLimits.leastFigureSamples]) {
	test(`tells figures over ${samples} validation samples: ${samples < figureLimits.leastFigureSamples ? "none" : "two, rounded"}`, async (t) => {
		await using aggregator = await ScriptedAggregator.start(model.client, { protocol: 1 });
		await using run = await connect(aggregator, samples);
		await aggregator.expect("resume");
		await aggregator.send({ ...trainRound(id, { epoch: 1 }), task: "validate" });
		for (let seq = 0; seq < 4; seq++) {
			const message = await aggregator.expect("forward");
			t.like(message, { task: "validate", seq });
			await aggregator.send(featuresFor(message));
		}
		const { accuracy, loss, ...rest } = await aggregator.expect("figures");
		t.like(rest, { epoch: 1, model: 0, samples });
		if (samples < figureLimits.leastFigureSamples) t.deepEqual([accuracy, loss], [undefined, undefined]);
		else
			for (const value of [accuracy, loss]) {
				const steps = (value ?? -1) * figureLimits.figureSteps;
				t.true(value !== undefined && Math.abs(steps - Math.round(steps)) < 1e-9);
			}
		await aggregator.send({ type: "received", device: id, of: "figures", epoch: 1, seq: 0 });
		t.is((await run.events.next("validated")).samples, samples);
	});
}
