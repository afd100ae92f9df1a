import { writeFileSync } from "node:fs";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { openDeviceStore } from "@psgl/sdk/store";
import type { FuzzTarget } from "../fuzz-target.js";
import { clear, scratchFolder } from "./scratch-folder.js";

/** Files of a store that hold something: logs, tables, the manifest and its name. */
const holds = (name: string) => /^(\d+\.(log|ldb)|MANIFEST-\d+|CURRENT)$/.test(name);

/** One file of a device's store, as the first byte says; the others are whole. Opened, read, and written to. */
export async function storeTarget(): Promise<FuzzTarget> {
	const scratch = await scratchFolder();
	const whole = join(scratch.folder, "whole");
	await mkdir(whole);
	// Opened anew, what was in the log lies in a table.
	for (let n = 0; n < 3; n++) {
		await using store = await openDeviceStore(whole);
		await store.write([
			{ key: "device", value: Uint8Array.of(n, 1, 2, 3) },
			{ key: `slot/a/${n}`, value: new Uint8Array(300).fill(n) },
		]);
	}
	const names = (await readdir(whole)).filter(holds).sort();
	const files = await Promise.all(names.map((name) => readFile(join(whole, name))));
	const folder = join(scratch.folder, "case");
	await mkdir(folder);
	return {
		seeds: files.map((file, role) => Buffer.concat([Buffer.of(role), file])),
		async read(bytes) {
			clear(folder);
			const changed = (bytes[0] ?? 0) % names.length;
			for (const [i, name] of names.entries()) {
				writeFileSync(join(folder, name), i === changed ? bytes.subarray(1) : (files[i] as Uint8Array));
			}
			await using store = await openDeviceStore(folder);
			for (const key of await store.keys("")) await store.get(key);
			await store.write([{ key: "more", value: Uint8Array.of(1) }]);
		},
		close: () => scratch.remove(),
	};
}
