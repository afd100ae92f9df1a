import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cloudLimits, type FileJournal, type FileJournalOptions, openFileJournal } from "@psgl/cloud";
import { ConfigError, DataError } from "@psgl/sdk";
import test, { type ExecutionContext } from "ava";
import { Child } from "../helpers/child.js";
import { temporaryFolder } from "../helpers/temporary-folder.js";
import { logCompliance } from "./log-compliance.js";

const run = "a".repeat(64);
const folders: string[] = [];

logCompliance(test, "file journal", async () => {
	const folder = join(await mkdtemp(join(tmpdir(), "psgl-test-")), "journal");
	folders.push(folder);
	// One entry a file, so that each can be released by itself. The bound is `journalBytes` unless set.
	return openFileJournal({ folder, run, maxBytes: 100, segmentBytes: 1 });
});

test.after.always(async () => {
	for (const folder of folders) await rm(join(folder, ".."), { recursive: true, force: true });
});

const entry = (i: number) => new Uint8Array(10 + (i % 7)).fill(i);

async function journalOf(t: ExecutionContext, entries: number, options: Partial<FileJournalOptions> = {}) {
	const folder = join(await temporaryFolder(t), "journal");
	await using journal = await openFileJournal({ folder, run, ...options });
	for (let i = 0; i < entries; i++) await journal.append(entry(i));
	return folder;
}

async function everything(journal: FileJournal): Promise<Uint8Array[]> {
	const entries: Uint8Array[] = [];
	if (journal.end === journal.start) return entries;
	for await (const { position, bytes } of journal.read(journal.start)) {
		entries.push(new Uint8Array(bytes));
		if (position === journal.end - 1) break;
	}
	return entries;
}

const files = async (folder: string) =>
	(await readdir(folder)).filter((name) => name.endsWith(".journal")).map((name) => join(folder, name));

for (const fsync of ["always", "interval"] as const) {
	test(`fsync ${fsync}: what was appended is there after opening again, and positions go on`, async (t) => {
		const folder = await journalOf(t, 40, { segmentBytes: 200, fsync });
		t.true((await files(folder)).length > 3);
		await using journal = await openFileJournal({ folder, run, segmentBytes: 200 });
		t.is(journal.torn, undefined);
		t.deepEqual(
			await everything(journal),
			Array.from({ length: 40 }, (_, i) => entry(i)),
		);
		t.is(await journal.append(entry(40)), 40);
	});
}

test("many appends at once keep their order and share files", async (t) => {
	const folder = await journalOf(t, 0);
	await using journal = await openFileJournal({ folder, run, segmentBytes: 300 });
	const positions = await Promise.all(Array.from({ length: 200 }, (_, i) => journal.append(entry(i))));
	t.deepEqual(
		positions,
		Array.from({ length: 200 }, (_, i) => i),
	);
	t.deepEqual(
		await everything(journal),
		positions.map((i) => entry(i)),
	);
});

test("a file cut off at every byte of its last two records ends at the last whole one, and says so", async (t) => {
	const folder = await journalOf(t, 5);
	const [file = ""] = await files(folder);
	const bytes = await readFile(file);
	const sizes = [0, 1, 2, 3, 4].map((i) => 20 + entry(i).length);
	const ends = sizes.map((_, i) => bytes.length - sizes.slice(i + 1).reduce((a, b) => a + b, 0));
	for (let length = ends[2] as number; length < bytes.length; length++) {
		await writeFile(file, bytes.subarray(0, length));
		await using journal = await openFileJournal({ folder, run });
		const whole = ends.filter((end) => end <= length).length;
		t.deepEqual(
			await everything(journal),
			[0, 1, 2, 3, 4].slice(0, whole).map((i) => entry(i)),
		);
		const rest = length - (ends[whole - 1] as number);
		t.is(journal.torn?.bytes, rest === 0 ? undefined : rest);
		t.is(await journal.append(entry(9)), whole);
	}
});

test("every bit of the last record that is flipped drops that record alone", async (t) => {
	const folder = await journalOf(t, 4);
	const [file = ""] = await files(folder);
	const bytes = await readFile(file);
	for (let bit = 8 * (bytes.length - 20 - entry(3).length); bit < 8 * bytes.length; bit++) {
		const flipped = Buffer.from(bytes);
		flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
		await writeFile(file, flipped);
		await using journal = await openFileJournal({ folder, run });
		t.deepEqual(
			await everything(journal),
			[0, 1, 2].map((i) => entry(i)),
		);
		t.is(journal.torn?.position, 3);
	}
});

test("a bit flipped at every byte before the last record is damage of what was safe, and is refused", async (t) => {
	const folder = await journalOf(t, 4);
	const [file = ""] = await files(folder);
	const bytes = await readFile(file);
	for (let at = 0; at < bytes.length - 20 - entry(3).length; at++) {
		const flipped = Buffer.from(bytes);
		flipped[at] = (flipped[at] as number) ^ (1 << (at % 8));
		await writeFile(file, flipped);
		const error = await t.throwsAsync(openFileJournal({ folder, run }), { instanceOf: DataError }, `byte ${at}`);
		// The format's number is in the first line.
		t.true(["PSGL_JOURNAL_DAMAGED", "PSGL_JOURNAL_FORMAT"].includes(error?.code ?? ""), `byte ${at}: ${error?.code}`);
	}
});

test("records that were never synced may be lost in any order: the rest after the hole goes", async (t) => {
	const folder = join(await temporaryFolder(t), "journal");
	const journal = await openFileJournal({ folder, run });
	await journal.append(entry(0));
	// One group, one fsync: none of them knows the others to be safe.
	await Promise.all([journal.append(entry(1)), journal.append(entry(2)), journal.append(entry(3))]);
	await journal.close();
	const [file = ""] = await files(folder);
	const bytes = await readFile(file);
	const at = bytes.length - 20 - entry(3).length - 20 - entry(2).length + 25;
	bytes[at] = (bytes[at] as number) ^ 1;
	await writeFile(file, bytes);
	await using again = await openFileJournal({ folder, run });
	t.is(again.end, 2);
	t.is(again.torn?.position, 2);
});

test("a segment in the middle that is cut off, missing, changed or of another journal is found", async (t) => {
	const folder = await journalOf(t, 30, { segmentBytes: 200 });
	const names = await readdir(folder);
	const middle = names.filter((name) => name.endsWith(".journal")).sort()[1] as string;
	const other = join(await journalOf(t, 30, { segmentBytes: 200 }), middle);
	const broken = async (change: (file: string) => Promise<unknown>) => {
		const copy = join(await temporaryFolder(t), "journal");
		await cp(folder, copy, { recursive: true });
		await change(join(copy, middle));
		const opened = openFileJournal({ folder: copy, run });
		const error = await t.throwsAsync(
			opened.then(async (journal) => {
				try {
					await everything(journal);
				} finally {
					await journal.close();
				}
			}),
			{ instanceOf: DataError },
		);
		t.is(error?.code, "PSGL_JOURNAL_DAMAGED");
		t.true(error?.message.includes("checkpoint"));
	};
	const { size } = await stat(join(folder, middle));
	for (let length = 0; length < size; length += 7) await broken((file) => truncate(file, length));
	await broken((file) => rm(file));
	await broken((file) => cp(other, file));
	for (let at = 0; at < size; at += 5) {
		if (at === 13) continue;
		await broken(async (file) => {
			const bytes = await readFile(file);
			bytes[at] = (bytes[at] as number) ^ 4;
			await writeFile(file, bytes);
		});
	}
});

test("a journal of another run, of another format, or whose folder is no folder, is refused", async (t) => {
	const folder = await journalOf(t, 1);
	const other = await t.throwsAsync(openFileJournal({ folder, run: "b".repeat(64) }), { instanceOf: ConfigError });
	t.is(other?.code, "PSGL_JOURNAL_OTHER_RUN");
	const [file = ""] = await files(folder);
	const bytes = await readFile(file);
	bytes[13] = "2".charCodeAt(0);
	await writeFile(file, bytes);
	const format = await t.throwsAsync(openFileJournal({ folder, run }), { instanceOf: DataError });
	t.is(format?.code, "PSGL_JOURNAL_FORMAT");
	const blocked = join(await temporaryFolder(t), "file");
	await writeFile(blocked, "");
	for (const path of [blocked, join(blocked, "below")]) {
		const error = await t.throwsAsync(openFileJournal({ folder: path, run }), { instanceOf: DataError });
		t.is(error?.code, "PSGL_JOURNAL_UNWRITABLE");
	}
});

test("a second process is refused; a lock that a killed one left behind is taken over", async (t) => {
	const folder = join(await temporaryFolder(t), "journal");
	await mkdir(folder, { recursive: true });
	await using holder = new Child("journal-process.js", [folder]);
	await holder.next("appended");
	const error = await t.throwsAsync(openFileJournal({ folder, run }), { instanceOf: ConfigError });
	t.is(error?.code, "PSGL_JOURNAL_IN_USE");
	await holder.kill();
	await using journal = await openFileJournal({ folder, run });
	t.true(journal.end > 0);
});

test("a process killed again and again while it appends loses nothing it was told is safe", async (t) => {
	const folder = join(await temporaryFolder(t), "journal");
	let least = 0;
	for (let kill = 0; kill < 5; kill++) {
		await using child = new Child("journal-process.js", [folder]);
		for (let i = 0; i < 20 + 7 * kill; i++) least = (await child.next<{ position: number }>("appended")).position;
		await child.kill();
		await using journal = await openFileJournal({ folder, run });
		t.true(journal.end > least);
		const entries = await everything(journal);
		t.true(entries.every((bytes, i) => new DataView(bytes.buffer, bytes.byteOffset).getUint32(0) === i));
	}
});

test("what is released is removed from the disk, file by file", async (t) => {
	const folder = join(await temporaryFolder(t), "journal");
	const journal = await openFileJournal({ folder, run, segmentBytes: 200 });
	for (let i = 0; i < 40; i++) await journal.append(entry(i));
	const before = (await files(folder)).length;
	journal.release(30);
	await journal.close();
	await using again = await openFileJournal({ folder, run, segmentBytes: 200 });
	t.true((await files(folder)).length < before - 3);
	t.true(again.start > 20 && again.start <= 30);
	t.deepEqual(
		await everything(again),
		Array.from({ length: 40 - again.start }, (_, i) => entry(again.start + i)),
	);
});

test("journalSegmentBytes: an entry that would make a file longer begins the next one", async (t) => {
	const folder = join(await temporaryFolder(t), "journal");
	await using journal = await openFileJournal({ folder, run, fsync: "interval" });
	await journal.append(new Uint8Array(cloudLimits.journalSegmentBytes / 2));
	t.is((await files(folder)).length, 1);
	await journal.append(new Uint8Array(cloudLimits.journalSegmentBytes / 2));
	const sizes = await Promise.all((await files(folder)).map(async (file) => (await stat(file)).size));
	t.is(sizes.length, 2);
	t.true(sizes.every((size) => size <= cloudLimits.journalSegmentBytes));
});

test("journalSyncIntervalMs: with fsync interval what was written is safe after it, without anyone asking", async (t) => {
	const folder = join(await temporaryFolder(t), "journal");
	await using journal = await openFileJournal({ folder, run, fsync: "interval" });
	const [file = ""] = await files(folder);
	const start = (await stat(file)).size;
	await journal.append(entry(0));
	const end = (await stat(file)).size;
	// A record says how many bytes before it are safe: at its fifth byte.
	for (let at = end, safe = start; safe < end; at = (await stat(file)).size) {
		await journal.append(entry(1));
		safe = (await readFile(file)).readUInt32LE(at + 4);
		t.true(safe === start || safe >= end);
	}
});
