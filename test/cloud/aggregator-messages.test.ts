import { Aggregator, type AggregatorEvent, type AggregatorSettings, resolveSettings, startBroker } from "@psgl/cloud";
import { ConfigError } from "@psgl/sdk";
import { type Artifact, decodeArtifact, sha256 } from "@psgl/sdk/artifact";
import { type BatchMessage, encodeEnvelope } from "@psgl/sdk/protocol";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { decode, encode } from "cborg";
import crc32c from "crc-32/crc32c.js";
import mqtt from "mqtt";
import { EventReader } from "../helpers/event-reader.js";
import { ManualClock } from "../helpers/manual-clock.js";
import { helloFrom, ScriptedDevice, scriptedBatch } from "../helpers/scripted-device.js";
import { type SmallModel, smallModel } from "../helpers/small-model.js";

let model: SmallModel;
test.before(async () => {
	model = await smallModel();
});

/** An aggregator on a clock of the test's, for scripted devices. */
async function start(settings: AggregatorSettings = {}, artifact: Artifact = model.joint) {
	const clock = new ManualClock();
	const broker = await startBroker({ port: 0 });
	const aggregator = await Aggregator.start({
		artifact,
		runtime: nodeRuntime,
		broker,
		clock,
		settings: { rounds: 1, smashedDtype: "float32", gradientDtype: "float32", ...settings },
	});
	const events = new EventReader<AggregatorEvent>(aggregator.events());
	return {
		aggregator,
		broker,
		clock,
		events,
		/** Lets time pass until there is an event of this type. */
		async until<T extends AggregatorEvent["type"]>(type: T) {
			const found = events.next(type);
			let here = false;
			void found.then(() => {
				here = true;
			});
			while (!here) await clock.advance(1000);
			return found;
		},
		async [Symbol.asyncDispose]() {
			await aggregator.close();
			await broker.close();
		},
	};
}

const batchFor = (device: ScriptedDevice, epoch: number, seq: number, samples?: number): BatchMessage =>
	scriptedBatch(
		device.id,
		{ epoch, seq, ...(samples !== undefined && { samples }) },
		model.joint.manifest.smashedShape,
	);

/** The client's weights as the artifact has them. */
function weightsFor(device: ScriptedDevice, epoch: number) {
	const vector = (name: string) => model.joint.tensors.get(`client/${name}`) as BatchMessage["tensors"]["smashed"];
	const tensors = { params: vector("params"), stats: vector("stats"), head: vector("head") };
	return { type: "weights", device: device.id, epoch, model: 0, samples: 4, tensors } as Parameters<
		ScriptedDevice["send"]
	>[0];
}

test("welcomes a device and sends it the client half that it lacks", async (t) => {
	await using run = await start({ seed: 7, batchSize: 16 });
	await using device = await ScriptedDevice.connect(run.broker.url, "a");
	await device.hello({ maxMessageBytes: 50_000 });
	const welcome = await device.next("welcome");
	t.like(welcome, { protocol: 1, model: 0, maxMessageBytes: 50_000, batchSize: 16, seed: 7, strategy: "splitfed-v2" });
	const artifact = await device.next("artifact");
	t.is(artifact.digest, welcome.artifact);
	t.is(await sha256(artifact.body), welcome.artifact);
	t.is((await decodeArtifact(artifact.body)).manifest.part, "client");
	t.true(device.payloads.every((payload) => payload.length <= 50_000));
	const round = await device.next("round");
	t.like(round, { epoch: 1, task: "train", model: 0, pass: 1, first: 0, steps: 4 });
	t.is(round.tensors, undefined, "the artifact holds these weights");
});

test("a device that has the artifact is not sent it again", async (t) => {
	await using run = await start();
	await using device = await ScriptedDevice.connect(run.broker.url, "a");
	await device.hello({ artifacts: [await sha256(model.client)] });
	const before = device.payloads.length;
	await device.next("round");
	t.true(device.payloads.length - before <= 2);
	t.true(device.payloads.every((payload) => payload.length < 1000));
});

test("a device that does not fit is told why, and is not waited for", async (t) => {
	await using run = await start();
	await using device = await ScriptedDevice.connect(run.broker.url, "a");
	for (const change of [{ protocols: [9] }, { inputShape: [3, 9, 9] }, { classes: 5 }, { dtypes: ["int8" as const] }]) {
		await device.hello(change);
		t.like(await device.next("refused"), { of: "hello", code: "PSGL_HELLO_UNFIT", retry: false });
	}
	await device.send(batchFor(device, 1, 0));
	t.is((await device.next("refused")).code, "PSGL_HELLO_FIRST");
	t.is(run.events.types.includes("round-started"), false);
});

test("a batch gets its gradient once; copies and questions get the same bytes again", async (t) => {
	await using run = await start();
	await using device = await ScriptedDevice.join(run.broker.url, "a");
	await device.next("round");
	const batch = batchFor(device, 1, 0);
	await device.send(batch);
	const gradient = await device.next("gradient");
	t.deepEqual(gradient.tensors.cutGradient.dims, batch.tensors.smashed.dims);
	t.true(gradient.tensors.cutGradient.data.some((value) => value !== 0));
	t.is(gradient.losses.length, 1);
	const [first] = device.payloads.slice(-1);
	await device.send(batch);
	await device.next("gradient");
	t.deepEqual(device.payloads.at(-1), first);
	await device.send({ type: "resume", device: "a", awaiting: "gradient", epoch: 1, seq: 0 });
	await device.next("gradient");
	t.deepEqual(device.payloads.at(-1), first);
	await device.send(weightsFor(device, 1));
	await device.next("received");
	const { counts } = await run.aggregator.result;
	t.like(counts, { received: 1, applied: 1, duplicates: 1, lost: 0, doubled: 0 });
});

test("who asks for the answer to a batch that waits for another device's hears that it is there", async (t) => {
	await using run = await start({ minDevices: 2 });
	await using a = await ScriptedDevice.join(run.broker.url, "a", { protocols: [1, 2] });
	await using b = await ScriptedDevice.join(run.broker.url, "b");
	await a.next("round");
	await b.next("round");
	await a.send(batchFor(a, 1, 0));
	await a.send({ type: "resume", device: "a", awaiting: "gradient", epoch: 1, seq: 0 });
	t.like(await a.next("credit"), { epoch: 1, upTo: 1 });
	await b.send(batchFor(b, 1, 0));
	t.like(await a.next("gradient"), { epoch: 1, seq: 0 });
});

test("batches out of order, of other rounds, and questions about batches that never came are refused", async (t) => {
	await using run = await start();
	await using device = await ScriptedDevice.join(run.broker.url, "a");
	await device.next("round");
	await device.send(batchFor(device, 1, 3));
	t.like(await device.next("refused"), { of: "batch", code: "PSGL_BATCH_MISSING", epoch: 1, seq: 3, retry: true });
	await device.send({ type: "resume", device: "a", awaiting: "gradient", epoch: 1, seq: 0 });
	t.like(await device.next("refused"), { code: "PSGL_BATCH_MISSING", seq: 0, retry: true });
	await device.send(batchFor(device, 9, 0));
	t.like(await device.next("refused"), { code: "PSGL_ROUND_OVER", epoch: 9, retry: false });
	await device.send({ ...weightsFor(device, 9) });
	t.like(await device.next("refused"), { of: "weights", code: "PSGL_ROUND_OVER" });
	t.is(run.aggregator.round, 0);
});

test("a batch that cannot be used is refused and leaves the weights alone", async (t) => {
	await using run = await start();
	await using device = await ScriptedDevice.join(run.broker.url, "a");
	await device.next("round");
	const good = batchFor(device, 1, 0);
	const shape = { ...good.tensors.smashed, dims: [4, 1, good.tensors.smashed.data.length / 4] };
	await device.send({ ...good, tensors: { ...good.tensors, smashed: shape } });
	t.like(await device.next("refused"), { code: "PSGL_BATCH_SHAPE", seq: 0, retry: false });
	const labels = { ...good.tensors.labels, data: Uint8Array.of(0, 1, 2, 0) };
	await device.send({ ...batchFor(device, 1, 1), tensors: { ...good.tensors, labels } });
	t.like(await device.next("refused"), { code: "PSGL_BATCH_LABEL", seq: 1 });
	await device.publish(withNaN({ ...good, seq: 2 }));
	t.like(await device.next("refused"), {
		of: "batch",
		code: "PSGL_PROTOCOL_NOT_FINITE",
		epoch: 1,
		seq: 2,
		retry: false,
	});
	await device.send(weightsFor(device, 1));
	await device.next("received");
	const { artifact, counts } = await run.aggregator.result;
	t.like(counts, { received: 2, applied: 0, refused: 2, lost: 0 });
	const trained = await decodeArtifact(artifact);
	for (const name of ["server/params", "server/stats", "client/params"]) {
		t.deepEqual(trained.tensors.get(name), model.joint.tensors.get(name));
	}
});

test("quantised values have to be of the agreed type, and finite once they are scaled", async (t) => {
	await using run = await start({ smashedDtype: "int8" });
	await using device = await ScriptedDevice.join(run.broker.url, "a");
	await device.next("round");
	const { dims } = batchFor(device, 1, 0).tensors.smashed;
	const values = dims.reduce((a, b) => a * b, 1);
	const int8 = (seq: number, factor: number): BatchMessage => {
		const batch = batchFor(device, 1, seq);
		const channels = dims[1] as number;
		const scale = { dtype: "float32", dims: [channels], data: new Float32Array(channels).fill(factor) } as const;
		const smashed = { dtype: "int8", dims, data: new Int8Array(values).fill(100), scale } as const;
		return { ...batch, tensors: { ...batch.tensors, smashed } };
	};
	const scale = { dtype: "float32", dims: [], data: Float32Array.of(1) } as const;
	const float16 = { dtype: "float16", dims, data: new Uint16Array(values), scale } as const;
	const batch = batchFor(device, 1, 0);
	await device.send({ ...batch, tensors: { ...batch.tensors, smashed: float16 } });
	t.like(await device.next("refused"), { code: "PSGL_AGGREGATOR_DTYPE", seq: 0, retry: false });
	await device.send(int8(1, 1e38));
	t.like(await device.next("refused"), { code: "PSGL_PROTOCOL_NOT_FINITE", seq: 1, retry: false });
	await device.send(int8(2, 0.01));
	t.is((await device.next("gradient")).seq, 2);
});

test("a device whose link breaks is not waited for at the end of a round, and comes back for the next one", async (t) => {
	await using run = await start({ minDevices: 2, groupSize: 2, rounds: 2 });
	await using a = await ScriptedDevice.join(run.broker.url, "a");
	const gone = Buffer.from(encodeEnvelope({ type: "status", device: "b", state: "offline", since: 0 }));
	const will = { topic: "psgl/1/b/status", payload: gone, qos: 1, retain: true } as const;
	const b = await mqtt.connectAsync(run.broker.url, { clientId: "b", clean: false, reconnectPeriod: 0, will });
	t.teardown(() => b.endAsync(true));
	await b.publishAsync("psgl/1/b/up", Buffer.from(encodeEnvelope(helloFrom("b"))), { qos: 1 });
	await a.next("round");
	b.stream.destroy();
	t.like(await deviceEvent(run.events, "b", "offline"), { devicesOnline: 1 });
	await a.send(batchFor(a, 1, 0));
	t.like(await run.until("left-behind"), { device: "b" });
	await a.next("gradient");
	await a.send(weightsFor(a, 1));
	t.like(await run.events.next("round"), { round: 1, devicesTrained: 1, devicesOnline: 1 });
	await using back = await ScriptedDevice.join(run.broker.url, "b");
	await deviceEvent(run.events, "b", "online");
	await a.send(batchFor(a, 2, 0));
	await a.next("gradient");
	await a.send(weightsFor(a, 2));
	t.like(await run.aggregator.result, { rounds: 2, reason: "finished" });
	t.like(await back.next("end"), { epoch: 2 });
});

test("retained garbage on a status topic is refused by name once, says nothing of other devices, and training goes on", async (t) => {
	await using run = await start();
	await using a = await ScriptedDevice.join(run.broker.url, "a");
	await a.next("round");
	const b = await mqtt.connectAsync(run.broker.url, { clientId: "b", clean: false, reconnectPeriod: 0 });
	t.teardown(() => b.endAsync(true));
	const ofAnother = Buffer.from(encodeEnvelope({ type: "status", device: "a", state: "offline", since: 0 }));
	for (const payload of [ofAnother, Buffer.from("no envelope")]) {
		await b.publishAsync("psgl/1/b/status", payload, { qos: 1, retain: true });
	}
	t.like(await run.events.next("refused"), { device: "b", code: "PSGL_PROTOCOL_MALFORMED" });
	await a.send(batchFor(a, 1, 0));
	await a.next("gradient");
	await a.send(weightsFor(a, 1));
	t.like(await run.aggregator.result, { rounds: 1, reason: "finished" });
	t.deepEqual(
		run.events.events.filter(({ type }) => type === "refused" || type === "device").map((event) => event.type),
		["device", "refused"],
	);
});

test("a step that diverges is taken back and refused; the next batch is taken", async (t) => {
	await using run = await start();
	await using device = await ScriptedDevice.join(run.broker.url, "a");
	await device.next("round");
	const batch = batchFor(device, 1, 0);
	const huge = { ...batch.tensors.smashed, data: batch.tensors.smashed.data.map((v) => v * 1e38) as Float32Array };
	await device.send({ ...batch, tensors: { ...batch.tensors, smashed: { ...huge, dtype: "float32" } } });
	t.like(await device.next("refused"), { of: "batch", code: "PSGL_AGGREGATOR_DIVERGED", seq: 0, retry: false });
	await device.send(batchFor(device, 1, 1));
	const gradient = await device.next("gradient");
	t.true(gradient.losses.every(Number.isFinite));
});

test("messages that cannot be read are answered, and the device goes on", async (t) => {
	await using run = await start();
	await using device = await ScriptedDevice.join(run.broker.url, "a");
	await device.next("round");
	const envelope = encodeEnvelope(batchFor(device, 1, 0));
	const other = envelope.slice();
	other[1] = 2;
	await device.publish(other);
	t.is((await device.next("refused")).code, "PSGL_PROTOCOL_VERSION");
	const damaged = envelope.slice();
	damaged[envelope.length - 100] = (damaged[envelope.length - 100] as number) ^ 1;
	await device.publish(damaged);
	t.like(await device.next("refused"), { code: "PSGL_PROTOCOL_CHECKSUM", retry: true });
	await device.publish(encodeEnvelope({ ...batchFor(device, 1, 0), device: "b" }));
	t.is((await device.next("refused")).code, "PSGL_PROTOCOL_SENDER");
	await device.publish(envelope);
	t.is((await device.next("gradient")).seq, 0);
});

test("weights of another length are refused, the right ones acknowledged as often as they come", async (t) => {
	await using run = await start();
	await using device = await ScriptedDevice.join(run.broker.url, "a");
	await device.next("round");
	await device.send(batchFor(device, 1, 0));
	await device.next("gradient");
	const right = weightsFor(device, 1) as Extract<Parameters<ScriptedDevice["send"]>[0], { type: "weights" }>;
	const head = { dtype: "float32", dims: [1], data: new Float32Array(1) } as const;
	await device.send({ ...right, tensors: { ...right.tensors, head } });
	t.like(await device.next("refused"), { of: "weights", code: "PSGL_WEIGHTS_SHAPE" });
	await device.send({ type: "resume", device: "a", awaiting: "received", epoch: 1, seq: 0 });
	t.like(await device.next("refused"), { retry: true, epoch: 1, seq: 0 });
	await device.send(right);
	await device.send(right);
	t.like(await device.next("received"), { of: "weights", epoch: 1 });
	t.is((await run.aggregator.result).reason, "finished");
});

test("a device that disappears is left behind after the step timeout, and taken back when its batch comes", async (t) => {
	await using run = await start({ minDevices: 2, groupSize: 2, stepTimeoutMs: 5000 });
	await using a = await ScriptedDevice.join(run.broker.url, "a");
	await using b = await ScriptedDevice.join(run.broker.url, "b");
	await a.next("round");
	await b.next("round");
	await a.send(batchFor(a, 1, 0));
	t.like(await run.until("left-behind"), { device: "b", round: 1 });
	t.deepEqual((await run.events.next("step")).devices, ["a"]);
	await a.next("gradient");
	await b.send(batchFor(b, 1, 0));
	await a.send(batchFor(a, 1, 1));
	t.like(await run.events.next("taken-back"), { device: "b" });
	await Promise.all([a.next("gradient"), b.next("gradient")]);
	await a.send(weightsFor(a, 1));
	await b.send(weightsFor(b, 1));
	t.like(await run.events.next("round"), { round: 1, devicesTrained: 2, steps: 3 });
});

test("a round does not wait at its end for a device that is off line, and waits a while for one that is there", async (t) => {
	await using run = await start({
		minDevices: 2,
		groupSize: 2,
		stepTimeoutMs: 5000,
		roundTimeoutMs: 20_000,
		rounds: 2,
	});
	await using a = await ScriptedDevice.join(run.broker.url, "a");
	const b = await ScriptedDevice.join(run.broker.url, "b");
	await a.next("round");
	await b.next("round");
	await a.send(batchFor(a, 1, 0));
	await run.until("left-behind");
	await a.next("gradient");
	await a.send(weightsFor(a, 1));
	const first = await run.until("round");
	t.like(first, { round: 1, devicesTrained: 1 });
	t.true(first.seconds >= 20, "b was there and was waited for");
	await a.next("round");
	await b.send({ type: "bye", device: "b", reason: "test" });
	await deviceEvent(run.events, "b", "left");
	await b[Symbol.asyncDispose]();
	await a.send(batchFor(a, 2, 0));
	await a.next("gradient");
	await a.send(weightsFor(a, 2));
	t.like(await run.events.next("round"), { round: 2, devicesTrained: 1 });
});

test("a device that was started again takes part from the next round on", async (t) => {
	await using run = await start({ rounds: 2 });
	await using a = await ScriptedDevice.join(run.broker.url, "a");
	await a.next("round");
	await a.send(batchFor(a, 1, 0));
	await a.next("gradient");
	await a.hello({ session: 2 });
	await a.next("welcome");
	const round = await a.next("round");
	t.is(round.epoch, 1);
	t.is(round.task, "validate");
	t.like(await a.next("round"), { epoch: 2, task: "train" });
});

test("stopping answers what waits, and ends the devices", async (t) => {
	await using run = await start({ minDevices: 2, groupSize: 2 });
	await using a = await ScriptedDevice.join(run.broker.url, "a");
	await using b = await ScriptedDevice.join(run.broker.url, "b");
	await a.next("round");
	await b.next("round");
	await a.send(batchFor(a, 1, 0));
	await a.send({ type: "resume", device: "a", awaiting: "received", epoch: 0, seq: 0 });
	await a.next("refused");
	run.aggregator.stop();
	t.like(await a.next("refused"), { of: "batch", code: "PSGL_ROUND_OVER", seq: 0 });
	t.like(await a.next("end"), { reason: "stopped" });
	t.like(await run.aggregator.result, { reason: "stopped", rounds: 0, counts: { received: 1, refused: 1, lost: 0 } });
});

test("settings that cannot be used are refused by name", (t) => {
	for (const [settings, name] of [
		[{ batchSize: 0 }, "batchSize"],
		[{ learningRate: -1 }, "learningRate"],
		[{ classWeights: [1] }, "class weights"],
		[{ stepTimeoutMs: 0 }, "stepTimeoutMs"],
	] as const) {
		const error = t.throws(() => resolveSettings(settings, model.joint.manifest), { instanceOf: ConfigError });
		t.is(error?.code, "PSGL_AGGREGATOR_SETTINGS");
		t.true(error?.message.includes(name), error?.message);
	}
});

async function deviceEvent(events: EventReader<AggregatorEvent>, device: string, state: string) {
	for (;;) {
		const event = await events.next("device");
		if (event.device === device && event.state === state) return event;
	}
}

/** The envelope of a batch with NaN for its first value, which the encoder would refuse; its checksum is right. */
function withNaN(batch: BatchMessage): Uint8Array {
	const [version, header, body] = decode(encodeEnvelope(batch)) as [number, Uint8Array, Uint8Array];
	new DataView(body.buffer, body.byteOffset).setFloat32(0, Number.NaN, true);
	return encode([version, header, body, crc32c.buf(body, crc32c.buf(header, 0)) >>> 0]);
}
