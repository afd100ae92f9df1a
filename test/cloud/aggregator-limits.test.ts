import { AnswerCache, cloudLimits, Downlink, Roster } from "@psgl/cloud";
import { LimitError } from "@psgl/sdk";
import test from "ava";
import { startCloud } from "../helpers/cloud.js";
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
