import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { clientHalf } from "@psgl/models";
import { artifactOf, psglDefinition } from "./pieces.js";
import { startReference } from "./reference.js";

/** Resident memory of a training device at 1x28x28, in MiB. */
export interface MemoryRow {
	readonly steps: number;
	/** Largest resident memory of the process. */
	readonly peak: number;
	/** The same of a Python process that does the device's part with PyTorch; undefined where that is missing. */
	readonly reference: number | undefined;
	/** Growth per 1,000 steps: the slope of a straight line through all samples but the first quarter. */
	readonly slope: number | undefined;
}

/** Trains in a process of its own, and some steps of the same in PyTorch. */
export async function measureMemory(batch: number, steps: number): Promise<MemoryRow> {
	const folder = await mkdtemp(join(tmpdir(), "psgl-bench-"));
	try {
		const path = join(folder, "client.psgl");
		await writeFile(path, await clientHalf(await artifactOf(psglDefinition({ channels: 1, size: 28 }))));
		const program = new URL("./device-steps.js", import.meta.url).pathname;
		// As the start script of a device bundle runs it.
		const flags = ["--max-semi-space-size=1"];
		const { stdout } = await promisify(execFile)(process.execPath, [...flags, program, path, `${batch}`, `${steps}`]);
		const samples: { step: number; resident: number; peak: number }[] = stdout
			.trim()
			.split("\n")
			.map((line) => JSON.parse(line));
		const settled = samples.slice(samples.length >> 2).map(({ step, resident }) => [step, resident] as const);
		const reference = await startReference(1);
		await reference?.prepare("device", [1, 28, batch]);
		await reference?.timed(100);
		const theirs = await reference?.peakMemory();
		await reference?.close();
		return {
			steps,
			peak: Number(samples.at(-1)?.peak.toFixed(1)),
			reference: theirs && Number(theirs.toFixed(1)),
			slope: settled.length < 3 ? undefined : Number((1000 * slopeOf(settled)).toFixed(3)),
		};
	} finally {
		await rm(folder, { recursive: true });
	}
}

/** Slope of the least-squares line. */
function slopeOf(points: readonly (readonly [number, number])[]): number {
	const mean = (pick: (p: readonly [number, number]) => number) =>
		points.reduce((sum, p) => sum + pick(p), 0) / points.length;
	const [x0, y0] = [mean(([x]) => x), mean(([, y]) => y)];
	const above = points.reduce((sum, [x, y]) => sum + (x - x0) * (y - y0), 0);
	return above / points.reduce((sum, [x]) => sum + (x - x0) ** 2, 0);
}
