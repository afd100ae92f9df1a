import { Aggregator, type AggregatorEvent, startBroker } from "@psgl/cloud";
import { Device } from "@psgl/sdk";
import { decodeArtifact } from "@psgl/sdk/artifact";
import { type DeviceMessage, protocolLimits, splitIntoChunks } from "@psgl/sdk/protocol";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test, { type ExecutionContext } from "ava";
import { EventReader } from "../helpers/event-reader.js";
import { ManualClock } from "../helpers/manual-clock.js";
import { ScriptedDevice, scriptedBatch } from "../helpers/scripted-device.js";
import { smallDataset, smallModel } from "../helpers/small-model.js";

/** A small model trained for a round by one device, and a scripted device to ask it. */
async function trained(t: ExecutionContext, mode: "robust" | "none") {
	const { joint } = await smallModel(mode);
	const clock = new ManualClock();
	const broker = await startBroker({ port: 0 });
	t.teardown(() => broker.close());
	const aggregator = await Aggregator.start({
		artifact: joint,
		runtime: nodeRuntime,
		broker,
		clock,
		settings: { rounds: 1, batchSize: 16, smashedDtype: "float32" },
	});
	t.teardown(() => aggregator.close());
	const events = new EventReader<AggregatorEvent>(aggregator.events());
	const data = { train: smallDataset(64), validation: smallDataset(32, 2) };
	await using device = await Device.connect({ url: broker.url, id: "real", runtime: nodeRuntime, data });
	for await (const _ of device.train());
	const { artifact } = await aggregator.result;
	const asking = await ScriptedDevice.join(broker.url, "asking");
	t.teardown(() => asking[Symbol.asyncDispose]());
	const ask = (seq: number, allowPartial: boolean): DeviceMessage => ({
		type: "infer",
		device: "asking",
		seq,
		session: 1,
		model: 1,
		allowPartial,
		tensors: {
			smashed: scriptedBatch("asking", { epoch: 1, seq, samples: 64 }, joint.manifest.smashedShape).tensors.smashed,
		},
	});
	return { joint, artifact: await decodeArtifact(artifact), clock, events, asking, ask };
}

/** Publishes a message in the smallest chunks there are, without the one at `lost`. */
async function sendWithout(device: ScriptedDevice, message: DeviceMessage, lost: number): Promise<number> {
	const chunks = splitIntoChunks(message, protocolLimits.minMessageBytes);
	for (const [i, chunk] of chunks.entries()) if (i !== lost) await device.publish(chunk);
	return chunks.length;
}

test("what was lost of a request is filled in from the prior that training left in the artifact", async (t) => {
	const { joint, artifact, clock, asking, ask } = await trained(t, "robust");
	const size = joint.manifest.smashedShape.reduce((a, b) => a * b, 1);
	t.is(artifact.tensors.get("recovery/mean")?.data.length, size);
	t.true(artifact.tensors.get("recovery/basis")?.data.some((value) => value !== 0));
	await asking.send(ask(0, true));
	const whole = await asking.next("scores");
	t.deepEqual([whole.arrived, whole.streams], [1, ["A", "R", "F", "fused"]]);
	t.deepEqual(whole.tensors.scores.dims, [64, 4, 2]);

	const chunks = await sendWithout(asking, ask(0, true), 1);
	t.true(chunks >= 2);
	const answer = asking.next("scores");
	let answered = false;
	void answer.then(() => {
		answered = true;
	});
	while (!answered) await clock.advance(protocolLimits.chunkTimeoutMs);
	const partial = await answer;
	t.true(partial.arrived > 0.2 && partial.arrived < 1);
	t.true(partial.tensors.scores.data.every(Number.isFinite));
	t.notDeepEqual(partial.tensors.scores.data, whole.tensors.scores.data);
});

test("an incomplete request is refused when the device wants all of it, or the model cannot fill it in", async (t) => {
	for (const [mode, allowPartial, code] of [
		["none", false, "PSGL_PROTOCOL_CHUNK_MISSING"],
		["none", true, "PSGL_INFER_INCOMPLETE"],
	] as const) {
		const { clock, asking, ask, events } = await trained(t, mode);
		await sendWithout(asking, ask(3, allowPartial), 0);
		const refused = events.next("refused");
		let told = false;
		void refused.then(() => {
			told = true;
		});
		while (!told) await clock.advance(protocolLimits.chunkTimeoutMs);
		t.is((await refused).code, code);
		t.like(await asking.next("refused"), { of: "infer", seq: 3, code, retry: true });
	}
});

test("a request of another shape is refused", async (t) => {
	const { asking, ask } = await trained(t, "none");
	const message = ask(1, true) as Extract<DeviceMessage, { type: "infer" }>;
	const { smashed } = message.tensors;
	await asking.send({ ...message, tensors: { smashed: { ...smashed, dims: [1, smashed.data.length] } } });
	t.like(await asking.next("refused"), { of: "infer", code: "PSGL_BATCH_SHAPE", retry: false });
});

test("a request with smashed data of another model than the served one is refused", async (t) => {
	const { asking, ask } = await trained(t, "none");
	const message = ask(1, true) as Extract<DeviceMessage, { type: "infer" }>;
	await asking.send({ ...message, artifact: "ab".repeat(32) });
	t.like(await asking.next("refused"), { of: "infer", seq: 1, code: "PSGL_INFER_MODEL", retry: false });
});
