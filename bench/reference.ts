import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { RunTime, Timed } from "./paired.js";
import { startPython } from "./python-process.js";

/** What bench/reference/speed.py can prepare. */
export type ReferencePiece = "step" | "map" | "inference" | "recovery" | "resnet" | "device";

/** PyTorch's side, in a process of its own. */
export interface Reference {
	/** PyTorch's version. */
	readonly version: string;
	/** Makes `timed` time this piece of work. */
	prepare(piece: ReferencePiece, args: readonly (string | number)[]): Promise<void>;
	readonly timed: Timed;
	/** Largest resident memory so far in MiB. */
	peakMemory(): Promise<number>;
	close(): Promise<void>;
}

/** Starts the reference; undefined where PyTorch or the reference networks (../shared/baseline) are missing. */
export async function startReference(threads: number): Promise<Reference | undefined> {
	const baseline = resolve("../shared/baseline");
	if (!existsSync(baseline)) return undefined;
	const python = await startPython(threads, ["bench/reference/speed.py", String(threads), baseline]);
	if (python === undefined) return undefined;
	return {
		version: python.version,
		async prepare(piece, args) {
			await python.ask({ piece, arguments: args });
		},
		timed: async (runs) => (await python.ask({ runs })) as RunTime[],
		peakMemory: async () => (await python.ask({ memory: true })) as number,
		close: () => python.close(),
	};
}
