import { chmod, cp, mkdir, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { seededRandom } from "@psgl/sdk";
import { openDeviceStore } from "@psgl/sdk/store";
import test from "ava";
import { Child } from "../helpers/child.js";
import { temporaryFolder } from "../helpers/temporary-folder.js";
import { deviceStoreCompliance } from "./device-store-compliance.js";

deviceStoreCompliance("LevelDB", async (t) => {
	const folder = join(await temporaryFolder(t), "store");
	return { open: () => openDeviceStore(folder) };
});

/** Every record of a store. */
async function contentOf(folder: string): Promise<string> {
	await using store = await openDeviceStore(folder);
	const records: [string, string][] = [];
	for (const key of await store.keys("")) {
		records.push([key, Buffer.from((await store.get(key)) ?? []).toString("hex")]);
	}
	return JSON.stringify(records);
}

/** A store after some writes, its content after each, and the file with the newest ones. */
async function writtenStore(folder: string, valueBytes: number) {
	const contents = ["[]"];
	const store = await openDeviceStore(folder);
	for (let n = 1; n <= 12; n++) {
		const value = Uint8Array.from({ length: valueBytes + n }, (_, i) => (n * i) & 255);
		await store.write([
			{ key: "count", value: Uint8Array.of(n) },
			{ key: `row ${n}`, value },
			{ key: `row ${n - 2}`, value: n % 5 === 0 ? undefined : value },
		]);
		const copy = `${folder}-after-${n}`;
		await cp(folder, copy, { recursive: true, filter: (file) => !file.endsWith("LOCK") });
		contents.push(await contentOf(copy));
	}
	// Opening it elsewhere must not tidy the log away: the copy is one that a power cut left.
	const cut = `${folder}-cut`;
	await cp(folder, cut, { recursive: true, filter: (file) => !file.endsWith("LOCK") });
	await store.close();
	const log = (await readdir(cut)).find((file) => file.endsWith(".log")) as string;
	return { contents, cut, log };
}

test("LevelDB: a log cut off at any byte is the content after some write, the last one when it is whole", async (t) => {
	const folder = await temporaryFolder(t);
	const { contents, cut, log } = await writtenStore(join(folder, "store"), 40);
	const { size } = await stat(join(cut, log));
	const seen = new Set<number>();
	for (let length = size; length >= 0; length -= length > size - 160 ? 1 : 23) {
		const copy = join(folder, `length-${length}`);
		await cp(cut, copy, { recursive: true });
		await truncate(join(copy, log), length);
		const n = contents.lastIndexOf(await contentOf(copy));
		t.true(n >= 0, `${length} bytes give the content of no write`);
		if (length === size) t.is(n, contents.length - 1);
		seen.add(n);
	}
	t.true(seen.size > 6);
});

test("LevelDB: a changed byte anywhere is noticed, or the store is the content after some write", async (t) => {
	const folder = await temporaryFolder(t);
	// Of several blocks of 32 KiB, so that LevelDB finds later writes after a damaged one.
	const { contents, cut, log } = await writtenStore(join(folder, "store"), 6000);
	const bytes = await readFile(join(cut, log));
	const random = seededRandom(5);
	let damaged = 0;
	for (let trial = 0; trial < 100; trial++) {
		const at = trial < 40 ? bytes.length - 1 - trial : random.integer(bytes.length);
		const copy = join(folder, `trial-${trial}`);
		await cp(cut, copy, { recursive: true });
		const changed = Buffer.from(bytes);
		changed[at] = (changed[at] as number) ^ (1 << random.integer(8));
		await writeFile(join(copy, log), changed);
		try {
			t.true(contents.includes(await contentOf(copy)), `byte ${at}: a mixture of writes`);
		} catch (error) {
			t.is((error as { code?: string }).code, "PSGL_STORE_DAMAGED", `byte ${at}`);
			damaged++;
		}
	}
	t.log(`${damaged} of 100 noticed as damage, the others are an earlier write`);
	t.true(damaged > 0);
});

test("LevelDB: changed bytes of a table are noticed", async (t) => {
	const folder = join(await temporaryFolder(t), "store");
	const store = await openDeviceStore(folder);
	await store.write([{ key: "a", value: new Uint8Array(50_000).fill(1) }]);
	await store.close();
	// Opening moves the log's records into a table.
	await (await openDeviceStore(folder)).close();
	const table = (await readdir(folder)).find((file) => file.endsWith(".ldb")) as string;
	const bytes = await readFile(join(folder, table));
	bytes[bytes.length >> 1] = 2;
	await writeFile(join(folder, table), bytes);
	await t.throwsAsync(openDeviceStore(folder), { code: "PSGL_STORE_DAMAGED" });
});

test("LevelDB: a table changed at any byte, or with another file's records in its log, does not end the process", async (t) => {
	const folder = await temporaryFolder(t);
	const whole = join(folder, "whole");
	for (let n = 0; n < 2; n++) {
		await using store = await openDeviceStore(whole);
		await store.write([{ key: `row ${n}`, value: new Uint8Array(40).fill(n) }]);
	}
	const files = await readdir(whole);
	const named = (pattern: RegExp) => files.find((file) => pattern.test(file)) as string;
	const table = named(/\.ldb$/);
	const bytes = await readFile(join(whole, table));
	const opened = async (name: string, content: Uint8Array) => {
		const copy = join(folder, "copy");
		await rm(copy, { recursive: true, force: true });
		await cp(whole, copy, { recursive: true });
		await writeFile(join(copy, name), content);
		return contentOf(copy);
	};
	const before = await opened(table, bytes);
	for (let at = 0; at < bytes.length; at += 3) {
		const changed = Buffer.from(bytes);
		changed[at] = (changed[at] as number) ^ 64;
		// Bytes that fill up the footer mean nothing.
		const what = await opened(table, changed).catch((error: { code?: string }) => error.code);
		t.true(what === "PSGL_STORE_DAMAGED" || what === before, `byte ${at}: ${what}`);
	}
	const manifest = await readFile(join(whole, named(/^MANIFEST/)));
	await t.throwsAsync(opened(named(/\.log$/), manifest), { code: "PSGL_STORE_DAMAGED" });
});

test("LevelDB: a process killed again and again loses no write it was told of, and leaves no half of one", async (t) => {
	const folder = join(await temporaryFolder(t), "store");
	const random = seededRandom(11);
	let written = 0;
	for (let kill = 0; kill < 12; kill++) {
		await using child = new Child("store-writer.js", [folder, `${written + 1}`]);
		await child.next("open");
		const writes = 1 + random.integer(25);
		for (let i = 0; i < writes; i++) written = (await child.next<{ n: number }>("written")).n;
		await child.kill();
		await using store = await openDeviceStore(folder);
		const count = Number(new TextDecoder().decode(await store.get("count")));
		t.true(count >= written, `write ${written} was safe, the store is at ${count}`);
		written = count;
		const value = Uint8Array.from({ length: 3000 }, (_, i) => (count + i) & 255);
		t.deepEqual(await store.get(`row ${count % 16}`), value);
		t.deepEqual(await store.get(`row ${(count * 7) % 16}`), value);
	}
});

test("LevelDB: a second process, or a second one in the same process, is refused", async (t) => {
	const folder = join(await temporaryFolder(t), "store");
	await using child = new Child("store-writer.js", [folder]);
	await child.next("written");
	const error = await t.throwsAsync(openDeviceStore(folder), { code: "PSGL_STORE_LOCKED" });
	t.regex(error?.message ?? "", /another process/);
	await child.kill();
	await using store = await openDeviceStore(folder);
	await t.throwsAsync(openDeviceStore(folder), { code: "PSGL_STORE_LOCKED" });
	t.true((await store.keys("row")).length > 0);
});

test("LevelDB: a folder that cannot be made is a typed error", async (t) => {
	const folder = await temporaryFolder(t);
	const file = join(folder, "file");
	await writeFile(file, "");
	await t.throwsAsync(openDeviceStore(join(file, "store")), { code: "PSGL_STORE_FOLDER" });
	if (process.getuid?.() === 0) return;
	const closed = join(folder, "closed");
	await mkdir(closed);
	await chmod(closed, 0o500);
	await t.throwsAsync(openDeviceStore(join(closed, "store")), { code: "PSGL_STORE_FOLDER" });
});
