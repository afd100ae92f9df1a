import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pngOf } from "@psgl/cloud";
import { decodeImage } from "@psgl/sdk/sources";
import test from "ava";
import { temporaryFolder } from "../../helpers/temporary-folder.js";

for (const channels of [1, 3] as const) {
	test(`a picture of ${channels} channels comes back as it was written, clipped to its range`, async (t) => {
		const side = 5;
		const levels = Uint8Array.from({ length: channels * side * side }, (_, i) => (i * 37) % 256);
		const values = Float32Array.from(levels, (level) => level / 255);
		values[0] = -0.5;
		values[1] = 1.5;
		levels.set([0, 255]);
		const file = join(await temporaryFolder(t), "picture.png");
		await writeFile(file, pngOf(values, channels, side, side));
		t.deepEqual([...(await decodeImage(file, side, channels))], [...levels]);
	});
}
