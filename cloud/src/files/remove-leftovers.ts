import { readdir, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

/**
 * Removes what processes left beside `file` that were killed while `writeAtomically` wrote it: `FILE.PID.part` of a process that is
 * gone. Where the folder cannot be read or written nothing happens: writing the file will say so.
 */
export async function removeLeftovers(file: string): Promise<void> {
	const folder = dirname(file);
	const prefix = `${basename(file)}.`;
	const names = await readdir(folder).catch(() => []);
	for (const name of names) {
		const writer = name.startsWith(prefix) ? /^(\d+)\.part$/.exec(name.slice(prefix.length))?.[1] : undefined;
		if (writer !== undefined && !isRunning(Number(writer))) {
			await rm(join(folder, name), { force: true }).catch(() => undefined);
		}
	}
}

function isRunning(pid: number): boolean {
	try {
		return process.kill(pid, 0);
	} catch (error) {
		// Somebody else's process cannot be asked, but is there.
		return (error as NodeJS.ErrnoException).code === "EPERM";
	}
}
