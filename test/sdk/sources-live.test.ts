import { mkdir, rename, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { PsglError } from "@psgl/sdk";
import {
	type LiveEvent,
	liveLimits,
	liveSamples,
	PendingLabels,
	rawFrames,
	readLabels,
	watchFolder,
} from "@psgl/sdk/sources/live";
import test from "ava";
import { ManualClock } from "../helpers/manual-clock.js";
import { temporaryFolder } from "../helpers/temporary-folder.js";

const shape = [1, 2, 2] as const;
const level = (value: number) => new Float32Array(4).fill(value);

async function collect(frames: AsyncIterable<Float32Array>): Promise<LiveEvent[]> {
	const events: LiveEvent[] = [];
	for await (const event of liveSamples(frames, { shape, clock: new ManualClock(5) })) events.push(event);
	return events;
}

const told = (events: readonly LiveEvent[]) =>
	events.map((event) => (event.type === "sample" ? "sample" : `${event.type} ${event.error?.code ?? "by itself"}`));

test("frames become samples; those that do not fit are set aside, and the source goes on", async (t) => {
	async function* frames() {
		yield level(0.5);
		yield new Float32Array(5);
		yield level(Number.NaN);
		yield level(2);
		yield level(1);
	}
	const events = await collect(frames());
	t.deepEqual(told(events), [
		"sample",
		"set-aside PSGL_SOURCE_SHAPE",
		"set-aside PSGL_SOURCE_RANGE",
		"set-aside PSGL_SOURCE_RANGE",
		"sample",
		"end by itself",
	]);
	const [first] = events;
	if (first?.type !== "sample") return t.fail();
	t.deepEqual(first.x, { dtype: "float32", dims: shape, data: level(0.5) });
	t.deepEqual(first.provenance, { kind: "live", frame: 0, atMs: 5 });
});

test("a camera that is unplugged ends the source with a typed reason, not with an exception", async (t) => {
	async function* frames() {
		yield level(0.5);
		throw Object.assign(new Error("no such device"), { code: "ENODEV" });
	}
	const events = await collect(frames());
	t.deepEqual(told(events), ["sample", "end PSGL_SOURCE_FAILED"]);
	const last = events.at(-1);
	t.true(last?.type === "end" && last.error?.message.includes("no such device"));
});

test("a source that hangs is over when its time is", async (t) => {
	const clock = new ManualClock();
	async function* frames() {
		yield level(0.5);
		await new Promise(() => {});
	}
	const events = liveSamples(frames(), { shape, clock });
	t.is((await events.next()).value?.type, "sample");
	const ending = events.next();
	await clock.advance(liveLimits.frameTimeoutMs - 1);
	await clock.advance(1);
	const { value } = await ending;
	t.true(value?.type === "end" && value.error?.code === "PSGL_SOURCE_HUNG");
	t.true((await events.next()).done);
});

test("a signal ends a live source at once", async (t) => {
	const abort = new AbortController();
	async function* frames() {
		await new Promise(() => {});
		yield level(0);
	}
	const next = liveSamples(frames(), { shape, signal: abort.signal, clock: new ManualClock() }).next();
	abort.abort(new Error("stop"));
	await t.throwsAsync(next, { message: "stop" });
});

test("bytes are cut into frames, however they come, and a cut frame is told", async (t) => {
	const bytes = Uint8Array.from({ length: 12 }, (_, i) => i);
	for (const portion of [1, 3, 4, 5, 12]) {
		const parts = Array.from({ length: Math.ceil(12 / portion) }, (_, i) =>
			bytes.slice(i * portion, (i + 1) * portion),
		);
		const frames: Uint8Array[] = [];
		for await (const frame of rawFrames(Readable.from(parts), 4)) frames.push(frame);
		t.deepEqual(frames, [bytes.slice(0, 4), bytes.slice(4, 8), bytes.slice(8)]);
	}
	const cut = rawFrames(Readable.from([bytes]), 8);
	t.is((await cut.next()).value?.length, 8);
	await t.throwsAsync(cut.next(), { code: "PSGL_SOURCE_CUT" });
});

test("samples wait for labels and labels for samples", (t) => {
	const x = { dtype: "float32", dims: shape, data: level(1) } as const;
	const labels = new PendingLabels<typeof x>();
	t.is(labels.sample(["image-1", "study-1"], x), undefined);
	t.is(labels.sample(["image-2", "study-1"], x), undefined);
	t.is(labels.sample(["image-3", "study-2"], x), undefined);
	t.deepEqual(labels.label("study-1", 1), [
		{ sample: x, label: 1 },
		{ sample: x, label: 1 },
	]);
	t.is(labels.waiting, 1);
	t.deepEqual(labels.label("study-3", 2), []);
	t.deepEqual(labels.sample(["image-4", "study-3"], x), { sample: x, label: 2 });
});

test("what waits is bounded in count and age", (t) => {
	const clock = new ManualClock();
	const x = { dtype: "float32", dims: shape, data: level(1) } as const;
	const dropping = new PendingLabels({ clock });
	for (let i = 0; i <= liveLimits.maxUnlabelled; i++) dropping.sample([`${i}`], x);
	t.deepEqual([dropping.waiting, dropping.dropped], [liveLimits.maxUnlabelled, 1]);
	t.deepEqual(dropping.label("0", 1), []);
	t.is(dropping.label("1", 1).length, 1);
	void clock.advance(liveLimits.maxUnlabelledAgeMs + 1);
	t.deepEqual(dropping.label("2", 1), []);
	t.deepEqual([dropping.waiting, dropping.dropped], [0, liveLimits.maxUnlabelled]);
	const refusing = new PendingLabels({ maxCount: 1, whenFull: "refuse" });
	refusing.sample(["a"], x);
	const error = t.throws(() => refusing.sample(["b"], x));
	t.true(error instanceof PsglError && error.code === "PSGL_LABELS_FULL");
	t.is(refusing.waiting, 1);
});

test("labels are read from text; what is no list of labels is refused", async (t) => {
	const file = join(await temporaryFolder(t), "readings.csv");
	await writeFile(file, 'id;label\n1.2.3;"dark"\n1.2.4;bright\n1.2.3;bright\n1.2.5;\n');
	t.deepEqual(
		[...(await readLabels(file))],
		[
			["1.2.3", "bright"],
			["1.2.4", "bright"],
		],
	);
	await writeFile(file, "study,reading\n1,2\n");
	await t.throwsAsync(readLabels(file), { code: "PSGL_LABELS_FILE" });
	await truncate(file, liveLimits.maxLabelFileBytes + 1);
	await t.throwsAsync(readLabels(file), { code: "PSGL_LABELS_FILE", message: /at most 16777216 bytes/ });
	await t.throwsAsync(readLabels(`${file}.none`), { code: "PSGL_DATA_NOT_FOUND" });
});

test("a watched folder gives each whole file once, old and new, below it too", async (t) => {
	const folder = await temporaryFolder(t);
	await writeFile(join(folder, "a.dcm"), "a");
	const clock = new ManualClock();
	const abort = new AbortController();
	const files = watchFolder(folder, { clock, signal: abort.signal });
	/** The next file, looking again as often as it takes. */
	const next = async () => {
		const found = files.next();
		let settled = false;
		found.finally(() => {
			settled = true;
		});
		while (!settled) await clock.advance(1000);
		return (await found).value;
	};
	t.is(await next(), join(folder, "a.dcm"));
	await mkdir(join(folder, "study"));
	await writeFile(join(folder, "study", "b.dcm"), "b");
	await writeFile(join(folder, ".hidden"), "h");
	t.is(await next(), join(folder, "study", "b.dcm"));
	await rename(join(folder, "a.dcm"), join(folder, "c.dcm"));
	t.is(await next(), join(folder, "c.dcm"));
	abort.abort();
	t.true((await files.next()).done);
	await t.throwsAsync(watchFolder(join(folder, "none")).next(), { code: "PSGL_DATA_NOT_FOUND" });
});
