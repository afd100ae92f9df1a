import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { syncFolder } from "./sync-folder.js";

/**
 * Writes beside `file`, syncs, and renames: a crash leaves the old file or the new one, whole, and what was written is on
 * the disk when it returns.
 * @param mode rights of a file that holds a secret: 0o600
 */
export async function writeAtomically(file: string, content: Uint8Array | string, mode = 0o644): Promise<void> {
	// Beside the file, so that renaming does not copy; by process, so that two do not write into one another's.
	const temporary = `${file}.${process.pid}.part`;
	try {
		const handle = await open(temporary, "w", mode);
		try {
			await handle.writeFile(content);
			await handle.sync();
		} finally {
			await handle.close();
		}
		await rename(temporary, file);
	} catch (error) {
		await rm(temporary, { force: true }).catch(() => undefined);
		throw error;
	}
	// The rename itself lasts only when the folder is synced too.
	await syncFolder(dirname(file));
}
