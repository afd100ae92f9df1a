import { existsSync, readdirSync, unlinkSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Memory as a folder, where there is one: a disk's fsync would be most of the time. */
const shared = "/dev/shm";

/** A folder for inputs of readers that read files. */
export async function scratchFolder(): Promise<{ readonly folder: string; remove(): Promise<void> }> {
	const folder = await mkdtemp(join(existsSync(shared) ? shared : tmpdir(), "psgl-fuzz-"));
	return { folder, remove: () => rm(folder, { recursive: true, force: true }) };
}

/** Removes the files of a folder that has no others in it: at once, as threads to wait for would take longer. */
export function clear(folder: string): void {
	for (const name of readdirSync(folder)) unlinkSync(join(folder, name));
}
