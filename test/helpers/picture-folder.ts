import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pngBytes } from "./write-png.js";

/** Two classes of 28x28 pictures, dark and bright, as a folder with a sub-folder for each. */
export async function pictureFolder(folder: string, each = 40): Promise<void> {
	for (const [name, grey] of [
		["dark", 40],
		["bright", 200],
	] as const) {
		await mkdir(join(folder, name), { recursive: true });
		for (let i = 0; i < each; i++) {
			const values = Uint8Array.from({ length: 28 * 28 }, (_, p) => grey + ((p * (i + 3)) % 23));
			await writeFile(join(folder, name, `${i}.png`), pngBytes(28, 28, 1, values));
		}
	}
}
