import { open } from "node:fs/promises";

/** Makes new names and renames in a folder last. */
export async function syncFolder(folder: string): Promise<void> {
	const handle = await open(folder, "r");
	try {
		await handle.sync();
	} finally {
		await handle.close();
	}
}
