import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, systemClock } from "../../ports/clock.js";
import { fileError } from "../file-error.js";

export interface WatchOptions {
	/** Milliseconds between two looks. Default 1,000. */
	readonly intervalMs?: number | undefined;
	readonly clock?: Clock | undefined;
	/** Ends the watch: the iterator returns. */
	readonly signal?: AbortSignal | undefined;
}

/**
 * Paths of files in a folder and below, each once, as they come; those already there first. A file counts when two looks in turn find it with the
 * same size and time, so that none is read while it is being copied. Looks instead of listening: network shares tell no one.
 *
 * @throws DataError `PSGL_DATA_NOT_FOUND`, `PSGL_DATA_UNREADABLE` when the folder itself cannot be read at the start
 */
export async function* watchFolder(folder: string, options: WatchOptions = {}): AsyncGenerator<string, void> {
	const { intervalMs = 1000, clock = systemClock, signal } = options;
	await readdir(folder).catch((cause: unknown) => {
		throw fileError(folder, cause);
	});
	let before = new Map<string, string>();
	const given = new Set<string>();
	while (!signal?.aborted) {
		const now = await look(folder);
		for (const path of given) if (!now.has(path)) given.delete(path);
		for (const [path, state] of now) {
			if (given.has(path) || before.get(path) !== state) continue;
			given.add(path);
			yield path;
			if (signal?.aborted) return;
		}
		before = now;
		await clock.sleep(intervalMs, signal).catch(() => {});
	}
}

/** Size and time of every file, by path, in order. What vanishes meanwhile is passed over. */
async function look(folder: string): Promise<Map<string, string>> {
	const entries = await readdir(folder, { withFileTypes: true, recursive: true }).catch(() => []);
	const paths = entries
		.filter((entry) => entry.isFile() && !entry.name.startsWith("."))
		.map((entry) => join(entry.parentPath, entry.name))
		.sort();
	const found = new Map<string, string>();
	for (const path of paths) {
		const state = await stat(path).catch(() => undefined);
		if (state !== undefined) found.set(path, `${state.size} ${state.mtimeMs}`);
	}
	return found;
}
