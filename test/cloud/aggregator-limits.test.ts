import { AnswerCache, cloudLimits, Downlink, Roster } from "@psgl/cloud";
import { LimitError } from "@psgl/sdk";
import { type DeviceMessage, protocolLimits, splitIntoChunks } from "@psgl/sdk/protocol";
import test from "ava";
import { startCloud } from "../helpers/cloud.js";
import { interceptedRuntime } from "../helpers/intercepted-runtime.js";
import { helloFrom, ScriptedDevice, scriptedBatch } from "../helpers/scripted-device.js";
import { smallModel } from "../helpers/small-model.js";

const join = (roster: Roster, id: string) => roster.welcome(helloFrom(id), 1_000_000, 0, "").device;

test("maxDevices: one device more is refused while all are on line; else the one away longest is forgotten", (t) => {
	const roster = new Roster();
	const devices = Array.from({ length: cloudLimits.maxDevices }, (_, i) => join(roster, `device-${i}`));
	t.is(t.throws(() => join(roster, "late"), { instanceOf: LimitError })?.code, "PSGL_ROSTER_FULL");
	t.false(join(roster, "device-7") !== devices[7], "who is known comes back");
	for (const i of [30, 20]) (devices[i] as { online: boolean }).online = false;
	join(roster, "late");
	t.is(roster.get("device-20"), undefined);
	t.truthy(roster.get("device-30"));
	t.is(roster.all.length, cloudLimits.maxDevices);
});

test("releasesKept: what a device told of its releases outlives its leaving, of so many devices", (t) => {
	const roster = new Roster();
	const welcome = (id: string, releases: number | undefined) =>
		roster.welcome(helloFrom(id, { releases }), 1_000_000, 0, "").device.releases;
	const leave = (id: string) => {
		welcome(id, 7);
		roster.remove(id);
	};
	leave("first");
	t.is(welcome("first", 3), 7, "an old copy of its ledger shows");
	roster.remove("first");
	t.is(welcome("first", undefined), 7);
	roster.remove("first");
	for (let i = 0; i < cloudLimits.releasesKept; i++) leave(`device-${i}`);
	t.is(welcome("first", 3), 3, "forgotten");
	t.is(welcome("device-1", 3), 7);
});

test("maxOutgoing: what a device does not take in waits up to a bound; the rest is dropped, and other devices are not held up", async (t) => {
	const sent: string[] = [];
	let go: () => void = () => undefined;
	const stuck = new Promise<void>((resolve) => {
		go = resolve;
	});
	const send = async (device: string) => {
		if (device === "slow") await stuck;
		sent.push(device);
		return true;
	};
	const downlink = new Downlink({ send }, new Roster());
	const message = (device: string) => ({ type: "received", device, of: "weights", epoch: 1, seq: 0 }) as const;
	for (let i = 0; i < 2 * cloudLimits.maxOutgoing; i++) downlink.send(message("slow"));
	downlink.send(message("quick"));
	while (!sent.includes("quick")) await Promise.resolve();
	go();
	await downlink.drained();
	t.is(sent.filter((device) => device === "slow").length, cloudLimits.maxOutgoing);
});

test("answersKept: of each device the last answers are kept", (t) => {
	const cache = new AnswerCache(cloudLimits.answersKept);
	const answer = (n: number) => [Uint8Array.of(n)];
	for (let n = 0; n <= cloudLimits.answersKept; n++) cache.keep("a", `${n}`, answer(n));
	cache.keep("b", "0", answer(9));
	t.is(cache.find("a", "0"), undefined);
	for (let n = 1; n <= cloudLimits.answersKept; n++) t.deepEqual(cache.find("a", `${n}`), answer(n));
	t.deepEqual(cache.find("b", "0"), answer(9));
	cache.forget("a");
	t.is(cache.find("a", "1"), undefined);
});

test("maxBatchSize: a batch of one sample more is refused, and the aggregator goes on", async (t) => {
	const { joint } = await smallModel();
	await using cloud = await startCloud(joint, { rounds: 1, batchSize: 4 });
	await using device = await ScriptedDevice.join(cloud.url, "ward-3");
	const { epoch } = await device.next("round");
	const { smashedShape } = joint.manifest;
	await device.send(scriptedBatch("ward-3", { epoch, seq: 0, samples: cloudLimits.maxBatchSize + 1 }, smashedShape));
	t.like(await device.next("refused"), { code: "PSGL_BATCH_SHAPE", of: "batch", epoch, seq: 0, retry: false });
	await device.send(scriptedBatch("ward-3", { epoch, seq: 1 }, smashedShape));
	t.is((await device.next("gradient")).seq, 1);
	cloud.aggregator.stop();
});

/** A request for a decision about so many samples. */
function request(device: string, seq: number, samples: number, smashedShape: readonly number[]): DeviceMessage {
	const { smashed } = scriptedBatch(device, { epoch: 1, seq, samples }, smashedShape).tensors;
	return { type: "infer", device, seq, session: 1, model: 0, allowPartial: false, tensors: { smashed } };
}

test("partialBytes: half-sent messages of all devices have a bound; who holds the most loses one, the others finish", async (t) => {
	const { joint } = await smallModel();
	const { smashedShape } = joint.manifest;
	const chunksOf = (device: string, seq: number, samples: number) =>
		splitIntoChunks(request(device, seq, samples, smashedShape), protocolLimits.minMessageBytes);
	const large = [0, 1].map((seq) => chunksOf("greedy", seq, 256).slice(0, -1));
	const small = chunksOf("modest", 0, 64);
	t.true(small.length > 1);
	const partialBytes = ((large[0]?.length ?? 0) + small.length + 1) * protocolLimits.minMessageBytes;
	await using cloud = await startCloud(joint, { rounds: 0 }, { partialBytes });
	await using greedy = await ScriptedDevice.join(cloud.url, "greedy");
	await using modest = await ScriptedDevice.join(cloud.url, "modest");
	for (const chunk of small.slice(0, -1)) await modest.publish(chunk);
	for (const chunk of large.flat()) await greedy.publish(chunk);
	t.like(await greedy.next("refused"), { of: "infer", code: "PSGL_PROTOCOL_CROWDED", retry: true });
	await modest.publish(small.at(-1) as Uint8Array);
	t.is((await modest.next("scores")).seq, 0);
});

test("concurrentDecisions: messages of so many devices are handled at a time, further ones wait, and all are answered", async (t) => {
	const { joint } = await smallModel();
	const { smashedShape } = joint.manifest;
	const most = cloudLimits.concurrentDecisions;
	let read = 0;
	let full: () => void = () => undefined;
	let open: () => void = () => undefined;
	const allTaken = new Promise<void>((resolve) => {
		full = resolve;
	});
	const opened = new Promise<void>((resolve) => {
		open = resolve;
	});
	const runtime = interceptedRuntime(async (feeds, run) => {
		if (feeds.quantised === undefined) await opened;
		else if (++read === most) full();
		return run();
	});
	await using cloud = await startCloud(joint, { rounds: 0 }, { runtime });
	const ids = Array.from({ length: most + 2 }, (_, i) => `device-${i}`);
	const devices = await Promise.all(ids.map((id) => ScriptedDevice.join(cloud.url, id)));
	const dims = [2, ...smashedShape];
	const scale = { dtype: "float32", dims: [1], data: Float32Array.of(1) };
	const smashed = { dtype: "float16", dims, data: new Uint16Array(dims.reduce((a, b) => a * b, 1)), scale };
	const asked = { type: "infer", seq: 0, session: 1, model: 0, allowPartial: false, tensors: { smashed } };
	await Promise.all(devices.map((device) => device.send({ ...asked, device: device.id } as DeviceMessage)));
	await allTaken;
	// Every request is in the log; what is not held up goes on.
	for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
	t.is(read, most);
	open();
	for (const device of devices) t.is((await device.next("scores")).seq, 0);
	for (const device of devices) await device[Symbol.asyncDispose]();
});
