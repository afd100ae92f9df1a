import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Runtime } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { quantile } from "./paired.js";
import { type Picture, type Piece, psglStep } from "./pieces.js";

/** Time of a step's graph runs outside ONNX Runtime's kernels. */
export interface Overhead {
	/** Milliseconds of a step's graph runs, copies in and out included; median. */
	readonly runs: number;
	/** Milliseconds inside kernels by ONNX Runtime's profile, of a second set of sessions; median. */
	readonly kernels: number;
	readonly ratio: number;
}

/** Turns of one PSGL step without and one with a profile, which costs time of its own. */
export async function measureOverhead(picture: Picture, batch: number, steps: number): Promise<Overhead> {
	const folder = await mkdtemp(join(tmpdir(), "psgl-bench-"));
	const plain = await observe(() => psglStep(picture, batch, 1));
	const profiled = await observe(() => psglStep(picture, batch, 1), join(folder, "graph"));
	const runs: number[] = [];
	for (let i = 0; i < steps; i++) {
		runs.push(await plain.step());
		await profiled.step();
	}
	await plain.piece.close();
	await profiled.piece.close();
	const kernels = new Array<number>(steps).fill(0);
	for (const file of await readdir(folder)) {
		const ofGraph = kernelTimes(JSON.parse(await readFile(join(folder, file), "utf8")));
		ofGraph.forEach((ms, i) => {
			kernels[i] = (kernels[i] as number) + ms;
		});
	}
	await rm(folder, { recursive: true });
	const [whole, inside] = [quantile(runs, 0.5), quantile(kernels, 0.5)];
	return {
		runs: Number(whole.toFixed(2)),
		kernels: Number(inside.toFixed(2)),
		ratio: Number((whole / inside).toFixed(3)),
	};
}

/** The same piece observed, and profiled where a prefix is given; `step` gives the milliseconds of all its graph runs. */
async function observe(make: () => Promise<Piece>, profilePrefix?: string) {
	const { load } = nodeRuntime;
	let sessions = 0;
	let running = 0;
	const observed: Runtime["load"] = async (model, options) => {
		const profile = profilePrefix === undefined ? {} : { profilePrefix: `${profilePrefix}${sessions++}` };
		const session = await load(model, { ...options, ...profile });
		const run = session.run.bind(session);
		session.run = async (...args) => {
			const start = performance.now();
			const result = await run(...args);
			running += performance.now() - start;
			return result;
		};
		return session;
	};
	const piece = await withLoad(observed, make);
	return {
		piece,
		async step() {
			running = 0;
			await piece.run();
			return running;
		},
	};
}

/** The runtime makes its sessions through `load` while `make` runs. */
async function withLoad(load: Runtime["load"], make: () => Promise<Piece>): Promise<Piece> {
	const original = nodeRuntime.load;
	nodeRuntime.load = load;
	try {
		return await make();
	} finally {
		nodeRuntime.load = original;
	}
}

interface ProfileEvent {
	readonly cat: string;
	readonly name: string;
	/** Microseconds. */
	readonly ts: number;
	readonly dur: number;
}

/** Milliseconds of all kernels in each run of a profiled session; those inside another, a Scan, are part of its time. */
function kernelTimes(events: readonly ProfileEvent[]): readonly number[] {
	let end = 0;
	const kernels = events
		.filter(({ cat, name }) => cat === "Node" && name.endsWith("_kernel_time"))
		.toSorted((a, b) => a.ts - b.ts || b.dur - a.dur)
		.filter(({ ts, dur }) => {
			const isInside = ts + dur <= end;
			end = Math.max(end, ts + dur);
			return !isInside;
		});
	return events
		.filter(({ name }) => name === "model_run")
		.map(({ ts, dur }) => {
			const inside = kernels.filter((k) => k.ts >= ts && k.ts <= ts + dur);
			return inside.reduce((sum, k) => sum + k.dur / 1000, 0);
		});
}
