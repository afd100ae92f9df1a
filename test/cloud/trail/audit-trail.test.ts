import { appendFile, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { AuditTrail, cloudLimits, RunRecorder, trailFiles, verifyTrail } from "@psgl/cloud";
import { ConnectionError } from "@psgl/sdk";
import test, { type ExecutionContext } from "ava";
import { ManualClock } from "../../helpers/manual-clock.js";
import { temporaryFolder } from "../../helpers/temporary-folder.js";

/** A trail of so many entries in a folder of its own. */
async function written(t: ExecutionContext, count: number): Promise<string> {
	const folder = await temporaryFolder(t);
	await using trail = await AuditTrail.open(folder, new ManualClock(Date.UTC(2030, 0, 1)));
	for (let i = 0; i < count; i++) trail.append("round", { round: i, model: i + 1 });
	return folder;
}

test("what was written is whole, over several openings", async (t) => {
	const folder = await written(t, 3);
	await using trail = await AuditTrail.open(folder);
	trail.append("end", { reason: "finished" });
	await trail.close();
	t.like(await verifyTrail(folder), { entries: 4, signedEntries: 4, faults: [] });
	const lines = (await readFile(trailFiles(folder).trail, "utf8")).trimEnd().split("\n");
	t.like(JSON.parse(lines[1] as string), {
		seq: 1,
		at: "2030-01-01T00:00:00.000Z",
		event: "round",
		round: 1,
		model: 2,
	});
	for (const file of [trailFiles(folder).key, trailFiles(folder).trail]) t.is((await stat(file)).mode & 0o777, 0o600);
});

test("every changed byte is found", async (t) => {
	const folder = await written(t, 4);
	const { trail } = trailFiles(folder);
	const whole = await readFile(trail);
	for (let at = 0; at < whole.length; at++) {
		const changed = Buffer.from(whole);
		changed[at] = (changed[at] as number) ^ 1;
		await writeFile(trail, changed);
		const { faults } = await verifyTrail(folder);
		t.true(faults.length > 0, `byte ${at}, ${String.fromCharCode(whole[at] as number)}`);
	}
});

test("lines taken away, put in, swapped or forged with their hashes are found", async (t) => {
	const folder = await written(t, 4);
	const { trail, head, key, publicKey } = trailFiles(folder);
	const text = await readFile(trail, "utf8");
	const lines = text.trimEnd().split("\n");
	const variants = {
		"the last line gone": lines.slice(0, 3),
		"a line in the middle gone": [lines[0], lines[2], lines[3]],
		"two lines swapped": [lines[0], lines[2], lines[1], lines[3]],
		"a line twice": [lines[0], lines[0], ...lines.slice(1)],
	};
	for (const [name, kept] of Object.entries(variants)) {
		await writeFile(trail, `${kept.join("\n")}\n`);
		t.true((await verifyTrail(folder)).faults.length > 0, name);
	}
	// Another trail, consistent in itself, by somebody without the key: told by the copy of the key kept elsewhere.
	const kept = await readFile(publicKey, "utf8");
	for (const file of [trail, head, key, publicKey]) await rm(file);
	const forged = await AuditTrail.open(folder);
	forged.append("round", { round: 0 });
	await forged.close();
	t.deepEqual((await verifyTrail(folder)).faults, []);
	t.deepEqual((await verifyTrail(folder, kept)).faults, ["the head is not signed by this key"]);
});

test("a line half-written by a crash is cut off at every byte, and an entry says so", async (t) => {
	const folder = await written(t, 2);
	const { trail } = trailFiles(folder);
	const whole = await readFile(trail);
	const second = whole.indexOf(10) + 1;
	for (let length = second + 1; length < whole.length; length += 7) {
		await writeFile(trail, whole);
		await truncate(trail, length);
		const opened = await AuditTrail.open(folder);
		await opened.close();
		t.like(await verifyTrail(folder), { entries: 2, faults: [] });
		const [, line = ""] = (await readFile(trail, "utf8")).split("\n");
		t.like(JSON.parse(line), { seq: 1, event: "torn-line-removed", bytes: length - second });
	}
});

test("a trail whose last line is no entry is not gone on with", async (t) => {
	const folder = await written(t, 2);
	await appendFile(trailFiles(folder).trail, "hello\n");
	await t.throwsAsync(AuditTrail.open(folder), { code: "PSGL_TRAIL_DAMAGED" });
	const other = await temporaryFolder(t);
	await t.throwsAsync(verifyTrail(other), { code: "PSGL_TRAIL_MISSING" });
	await writeFile(trailFiles(other).trail, Buffer.alloc(cloudLimits.trailLineBytes + 1, 65));
	await t.throwsAsync(AuditTrail.open(other), { code: "PSGL_TRAIL_DAMAGED" });
});

test("entries beyond the limit are counted, not kept", async (t) => {
	const folder = await temporaryFolder(t);
	await using trail = await AuditTrail.open(folder);
	for (let i = 0; i < cloudLimits.trailEntriesWaiting + 25; i++) trail.append("connected", { device: `d${i}` });
	await new Promise((resolve) => setImmediate(resolve));
	await trail.flushed();
	trail.append("end");
	await trail.close();
	t.like(await verifyTrail(folder), { entries: cloudLimits.trailEntriesWaiting + 1, faults: [] });
	const last = (await readFile(trailFiles(folder).trail, "utf8")).trimEnd().split("\n").at(-1) as string;
	t.like(JSON.parse(last), { event: "end", suppressed: 25 });
});

test("trailHeadMs: the head is signed anew with the first entry after that time, not before", async (t) => {
	const folder = await written(t, 2);
	const clock = new ManualClock(Date.UTC(2030, 0, 1));
	await using trail = await AuditTrail.open(folder, clock);
	const signed = async () => {
		trail.append("round", { round: 1 });
		await trail.flushed();
		return (await verifyTrail(folder)).signedEntries;
	};
	t.is(await signed(), 2);
	await clock.advance(cloudLimits.trailHeadMs - 1);
	t.is(await signed(), 2);
	await clock.advance(1);
	t.is(await signed(), 5);
});

test("refusals of one minute are told up to the limit, the rest counted; texts are cut", async (t) => {
	const folder = await temporaryFolder(t);
	const clock = new ManualClock(Date.UTC(2030, 0, 1));
	await using trail = await AuditTrail.open(folder, clock);
	const recorder = new RunRecorder(trail, clock);
	const error = new ConnectionError("PSGL_BROKER_TLS", { what: "x".repeat(2000) });
	const refuse = () => recorder.broker({ type: "refused", client: undefined, peer: "10.0.0.1:5", error });
	for (let i = 0; i < cloudLimits.trailRefusalsPerMinute + 7; i++) refuse();
	await clock.advance(60_000);
	refuse();
	await trail.close();
	const lines = (await readFile(trailFiles(folder).trail, "utf8")).trimEnd().split("\n");
	t.is(lines.length, cloudLimits.trailRefusalsPerMinute + 2);
	t.like(JSON.parse(lines.at(-2) as string), { event: "refusals-untold", count: 7 });
	t.like(JSON.parse(lines[0] as string), { code: "PSGL_BROKER_TLS", peer: "10.0.0.1:5", reason: "x".repeat(500) });
});
