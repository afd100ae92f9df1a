import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { quantile } from "./paired.js";
import { type Picture, type Piece, psglStep } from "./pieces.js";

const ort = createRequire(import.meta.resolve("@psgl/sdk/runtime/node"))(
	"onnxruntime-node",
) as typeof import("onnxruntime-node");

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
	const plain = await observe(() => psglStep(picture, batch, 1), {});
	const profiled = await observe(() => psglStep(picture, batch, 1), {
		enableProfiling: true,
		profileFilePrefix: join(folder, "graph"),
	});
	const runs: number[] = [];
	for (let i = 0; i < steps; i++) {
		runs.push(await plain.step());
		await profiled.step();
	}
	profiled.endProfiling();
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

/** The same piece with other session options; `step` gives the milliseconds of all its graph runs. */
async function observe(make: () => Promise<Piece>, more: { profileFilePrefix?: string; enableProfiling?: boolean }) {
	const create = ort.InferenceSession.create;
	const sessions: Awaited<ReturnType<typeof create>>[] = [];
	let running = 0;
	const observed = async (model: Uint8Array, options: object) => {
		const { profileFilePrefix: prefix } = more;
		const named = prefix === undefined ? {} : { profileFilePrefix: `${prefix}${sessions.length}` };
		const session = await create(model, { ...options, ...more, ...named });
		const run = session.run.bind(session);
		session.run = (async (...args: Parameters<typeof run>) => {
			const start = performance.now();
			const result = await run(...args);
			running += performance.now() - start;
			return result;
		}) as typeof session.run;
		sessions.push(session);
		return session;
	};
	const piece = await withCreate(observed, make);
	return {
		piece,
		endProfiling: () => {
			for (const session of sessions) session.endProfiling();
		},
		async step() {
			running = 0;
			await piece.run();
			return running;
		},
	};
}

/** The runtime port makes its sessions through `create` while `make` runs. */
async function withCreate(create: unknown, make: () => Promise<Piece>): Promise<Piece> {
	const factory = ort.InferenceSession as { create: unknown };
	const original = factory.create;
	factory.create = create;
	try {
		return await make();
	} finally {
		factory.create = original;
	}
}

interface ProfileEvent {
	readonly cat: string;
	readonly name: string;
	/** Microseconds. */
	readonly ts: number;
	readonly dur: number;
}

/** Milliseconds of all kernels in each run of a profiled session. */
function kernelTimes(events: readonly ProfileEvent[]): readonly number[] {
	const kernels = events.filter(({ cat, name }) => cat === "Node" && name.endsWith("_kernel_time"));
	return events
		.filter(({ name }) => name === "model_run")
		.map(({ ts, dur }) => {
			const inside = kernels.filter((k) => k.ts >= ts && k.ts <= ts + dur);
			return inside.reduce((sum, k) => sum + k.dur / 1000, 0);
		});
}
