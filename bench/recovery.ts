/**
 * Recovery of a batch of 32 x [32,196] by singular-value thresholding (0.2 of the largest singular value), beside the
 * same in PyTorch by a singular-value decomposition (LAPACK) and by an eigendecomposition of the Gram matrix, in the same run.
 *
 *     npx tsc -b bench && node build/bench/recovery.js [--threads 1,2] [--json]
 *
 * Medians of 60 runs in milliseconds, all sides in turns of 10. A ratio is PyTorch's time over ours (more is better for us),
 * the median of the turns and in brackets the smallest and the largest.
 */
import { loadavg } from "node:os";
import { parseArgs } from "node:util";
import { encodeModel, GraphBuilder, recoverMasked, recoveryRpca, recoverySvt, type Value } from "@psgl/models";
import { elementCount, type Session, seededRandom, type Tensor, type Tensors } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { startPyTorch } from "./pytorch.js";

const { values: options } = parseArgs({
	options: { threads: { type: "string", default: "1,2" }, json: { type: "boolean", default: false } },
});

const turns = 6;
const runsPerTurn = 10;
const dims = [32, 32, 196];
const share = 0.2;
const rank = 96;

const references = {
	svd: `(lambda d: (d[0] * F.relu(d[1] - ${share} * d[1][:, :1]).unsqueeze(1)) @ d[2])(torch.linalg.svd(F.relu(x - 0.5), full_matrices=False))`,
	gram: `(lambda s: (lambda e: (e[1] * F.relu(1 - ${share} * (e[0][:, -1:] / e[0].clamp_min(1e-30)).sqrt()).unsqueeze(1)) @ (e[1].transpose(1, 2) @ s))(torch.linalg.eigh(s @ s.transpose(1, 2))))(F.relu(x - 0.5))`,
} as const;

interface Row {
	readonly what: string;
	readonly threads: number;
	readonly milliseconds: number;
	/** Smallest and largest turn. */
	readonly spread: readonly [number, number];
	readonly ratios: Readonly<Record<string, readonly [number, number, number]>>;
}

function random(shape: readonly number[], rectified: boolean): Tensor<"float32"> {
	const draws = seededRandom(1);
	const value = rectified ? () => Math.max(draws.uniform() - 0.5, 0) : () => draws.normal() / 10;
	return { dtype: "float32", dims: shape, data: Float32Array.from({ length: elementCount(shape) }, value) };
}

function open(threads: number, build: (g: GraphBuilder, x: Value) => Value): Promise<Session> {
	const g = new GraphBuilder("bench");
	g.output("y", build(g, g.input("x", "float32", ["B", ...dims.slice(1)])));
	return nodeRuntime.load(encodeModel(g.build()), { threads });
}

function masked(g: GraphBuilder, smashed: Value): Value {
	const size = elementCount(dims.slice(1));
	const input = (name: string, shape: readonly (number | string)[]) => g.input(name, "float32", shape);
	return recoverMasked(g, {
		smashed,
		mask: input("mask", ["B", ...dims.slice(1)]),
		priorMean: input("mean", [size]),
		priorBasis: input("basis", [size, rank]),
		priorVariance: input("variance", []),
	});
}

async function time(session: Session, feeds: Tensors): Promise<number> {
	const times: number[] = [];
	for (let i = 0; i < runsPerTurn; i++) {
		const start = performance.now();
		await session.run(feeds);
		times.push(performance.now() - start);
	}
	return median(times);
}

function median(values: readonly number[]): number {
	return values.toSorted((a, b) => a - b)[values.length >> 1] as number;
}

function summary(values: readonly number[]): [number, number, number] {
	return [median(values), Math.min(...values), Math.max(...values)];
}

async function compare(threads: number): Promise<Row[]> {
	const x = random(dims, true);
	const mask = { ...x, data: x.data.map((_, i) => Math.floor(i / 196) % 2) };
	const size = elementCount(dims.slice(1));
	const prior = {
		mean: random([size], true),
		basis: random([size, rank], false),
		variance: { dtype: "float32", dims: [], data: Float32Array.of(0.01) } as const,
	};
	const sides = {
		"svt relative": await open(threads, (g, s) => recoverySvt(g, s, { threshold: share }).recovered),
		"svt absolute": await open(threads, (g, s) => recoverySvt(g, s, { threshold: 0.55, relative: false }).recovered),
		rpca: await open(threads, (g, s) => recoveryRpca(g, s).recovered),
		"masked, half lost": await open(threads, masked),
	};
	const feeds = { x, mask, ...prior };
	const python = await startPyTorch(threads);
	if (python === undefined) console.error("no PyTorch in /usr/bin/python3 (Debian: python3-torch): no ratios");
	const own = new Map<string, number[]>(Object.keys(sides).map((name) => [name, []]));
	const theirs = new Map<string, number[]>(Object.keys(references).map((name) => [name, []]));
	for (let turn = -1; turn < turns; turn++) {
		// The first turn warms everything up.
		const keep = turn >= 0;
		for (const [name, session] of Object.entries(sides)) {
			const milliseconds = await time(session, feeds);
			if (keep) own.get(name)?.push(milliseconds);
		}
		for (const [name, expression] of Object.entries(references)) {
			if (python === undefined) continue;
			await python.prepare({ x: dims }, expression, "forward");
			const milliseconds = median(await python.time(runsPerTurn));
			if (keep) theirs.get(name)?.push(milliseconds);
		}
	}
	await python?.close();
	for (const session of Object.values(sides)) await session.close();
	return [...own].map(([what, times]) => {
		const [milliseconds, ...spread] = summary(times);
		const ratios: Record<string, [number, number, number]> = {};
		if (what.startsWith("svt") && python !== undefined) {
			for (const [name, other] of theirs) {
				ratios[name] = summary(other.map((t, i) => t / (times[i] as number)));
			}
		}
		return { what, threads, milliseconds, spread, ratios };
	});
}

const brackets = (from: number, to: number) => `(${from.toFixed(2)} to ${to.toFixed(2)})`;

for (const threads of options.threads.split(",").map(Number)) {
	const rows = await compare(threads);
	if (options.json) {
		for (const row of rows) console.log(JSON.stringify({ ...row, load: loadavg()[0] }));
		continue;
	}
	console.log(`threads ${threads}, load ${loadavg()[0]?.toFixed(2)}, ${nodeRuntime.version}`);
	for (const { what, milliseconds, spread, ratios } of rows) {
		const compared = Object.entries(ratios).map(
			([name, [middle, from, to]]) => `PyTorch ${name} / ours ${middle.toFixed(2)} ${brackets(from, to)}`,
		);
		console.log([`  ${what}`, `${milliseconds.toFixed(2)} ms ${brackets(...spread)}`, ...compared].join("   "));
	}
}
