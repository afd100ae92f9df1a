import { Device, type DeviceEvent } from "@psgl/sdk";
import { artifactTensor } from "@psgl/sdk/artifact";
import type { BatchMessage, DeviceMessage, GradientMessage } from "@psgl/sdk/protocol";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { EventReader } from "../helpers/event-reader.js";
import { gradientFor, trainRound } from "../helpers/rounds.js";
import { ScriptedAggregator } from "../helpers/scripted-aggregator.js";
import { smallDataset, smallModel } from "../helpers/small-model.js";

const id = "ward-3-pi";

/** Ten pictures make two batches a round that can be judged, and one of two samples. */
const rounds = 12;

/** What a device tells over rounds in which it gets these gradients. */
async function eventsUnder(answer: (batch: BatchMessage) => GradientMessage): Promise<readonly DeviceEvent[]> {
	const { client, joint } = await smallModel();
	await using aggregator = await ScriptedAggregator.start(client);
	const device = await Device.connect({
		url: aggregator.url,
		id,
		runtime: nodeRuntime,
		data: { train: smallDataset(10), validation: smallDataset(6, 2) },
		// Asks for nothing again, however long the machine takes.
		answerTimeoutMs: 3_600_000,
	});
	const events = new EventReader<DeviceEvent>(device.train());
	await aggregator.expect("resume");
	const tensors = {
		params: artifactTensor(joint, "client/params"),
		stats: artifactTensor(joint, "client/stats"),
		head: artifactTensor(joint, "client/head"),
	};
	for (let epoch = 1; epoch <= rounds; epoch++) {
		await aggregator.send(trainRound(id, { epoch, model: epoch, tensors }));
		for (let seq = 0; seq < 3; seq++) await aggregator.send(answer((await unasked(aggregator)) as BatchMessage));
		await unasked(aggregator);
		await aggregator.send({ type: "received", device: id, of: "weights", epoch, seq: 0 });
		await events.next("trained");
	}
	await device.close();
	await events.done.catch(() => undefined);
	return events.events;
}

/** The next message that is no question for what the device waits for. */
async function unasked(aggregator: ScriptedAggregator): Promise<DeviceMessage> {
	for (;;) {
		const message = await aggregator.next();
		if (message.type !== "resume") return message;
	}
}

test.serial("a device says once when gradients have nothing to do with its labels", async (t) => {
	const told = (await eventsUnder(gradientFor)).filter((event) => event.type === "suspicious-gradients");
	t.is(told.length, 1);
	t.true(Math.abs(told[0]?.separation ?? 1) < 1e-9);
});

test.serial("gradients that push the classes apart raise no alarm", async (t) => {
	const events = await eventsUnder((batch) => {
		const gradient = gradientFor(batch);
		const { data } = gradient.tensors.cutGradient;
		const size = data.length / batch.tensors.labels.data.length;
		const labels = Array.from(batch.tensors.labels.data, Number);
		const signed = (data as Float32Array).map((v, i) => (labels[Math.floor(i / size)] === 1 ? v : -v));
		return {
			...gradient,
			tensors: { cutGradient: { ...gradient.tensors.cutGradient, data: signed } },
		} as GradientMessage;
	});
	t.false(events.some((event) => event.type === "suspicious-gradients"));
	t.is(events.filter((event) => event.type === "trained").length, rounds);
});
