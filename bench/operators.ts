/**
 * Forward and backward of the operators a network spends its time in, beside PyTorch's in the same run.
 *
 *     npx tsc -b bench && node build/bench/operators.js [--threads 2] [--json]
 *
 * Median and interquartile range of 50 runs in milliseconds, both sides in turns of 10; `ratio` is ours over PyTorch's.
 */
import { loadavg } from "node:os";
import { parseArgs } from "node:util";
import { attributes, batchNormalisation, differentiate, encodeModel, GraphBuilder, type Value } from "@psgl/models";
import { seededRandom, type Tensor, tensor } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { type PyTorch, startPyTorch } from "./pytorch.js";

const { ints } = attributes;

interface Piece {
	readonly name: string;
	/** Shapes of the inputs; gradients are taken for all but the running statistics. */
	readonly inputs: Readonly<Record<string, readonly number[]>>;
	readonly build: (g: GraphBuilder, inputs: Readonly<Record<string, Value>>) => Value;
	/** The same in PyTorch, a Python expression over the inputs, with `F` for torch.nn.functional. */
	readonly python: string;
}

const batch = 64;

function conv2d(channels: number, filters: number, size: number): Piece {
	return {
		name: `conv 3x3 ${channels}->${filters} ${size}x${size}`,
		inputs: { x: [batch, channels, size, size], weight: [filters, channels, 3, 3], bias: [filters] },
		build: (g, { x, weight, bias }) => g.add("Conv", [x, weight, bias], { pads: ints([1, 1, 1, 1]) }),
		python: "F.conv2d(x, weight, bias, padding=1)",
	};
}

const conv1d: Piece = {
	name: "conv 7 3->16 64",
	inputs: { x: [batch, 3, 64], weight: [16, 3, 7], bias: [16] },
	build: (g, { x, weight, bias }) => g.add("Conv", [x, weight, bias], { pads: ints([3, 3]) }),
	python: "F.conv1d(x, weight, bias, padding=3)",
};

function pool(type: "MaxPool" | "AveragePool", channels: number, size: number): Piece {
	const window = ints([2, 2]);
	return {
		name: `${type} 2x2 ${channels} ${size}x${size}`,
		inputs: { x: [batch, channels, size, size] },
		build: (g, { x }) => g.add(type, [x], { kernel_shape: window, strides: window }),
		python: type === "MaxPool" ? "F.max_pool2d(x, 2)" : "F.avg_pool2d(x, 2)",
	};
}

function normalisation(channels: number, size: number): Piece {
	return {
		name: `batch normalisation ${channels} ${size}x${size}`,
		inputs: {
			x: [batch, channels, size, size],
			scale: [channels],
			bias: [channels],
			mean: [channels],
			variance: [channels],
		},
		build(g, inputs) {
			const { x, ...parameters } = inputs as Record<"x" | "scale" | "bias" | "mean" | "variance", Value>;
			const result = batchNormalisation(g, x, parameters, { training: true });
			g.output("nextMean", result.nextMean);
			g.output("nextVariance", result.nextVariance);
			return result.y;
		},
		python: "F.batch_norm(x, mean.detach(), variance.detach(), scale, bias, True)",
	};
}

const pieces: readonly Piece[] = [
	conv2d(5, 16, 14),
	conv2d(16, 32, 7),
	conv2d(32, 64, 7),
	conv2d(13, 16, 32),
	conv2d(16, 32, 32),
	conv1d,
	pool("MaxPool", 16, 14),
	pool("MaxPool", 64, 7),
	pool("MaxPool", 16, 32),
	pool("AveragePool", 16, 32),
	normalisation(16, 14),
	normalisation(64, 7),
	normalisation(16, 32),
];

/** One piece compiled with its backward; `time` gives the milliseconds of each run. */
async function compile({ inputs, build }: Piece, threads: number) {
	const g = new GraphBuilder("piece");
	const values = Object.fromEntries(
		Object.entries(inputs).map(([name, dims]) => [
			name,
			g.input(name, "float32", name === "x" ? ["B", ...dims.slice(1)] : dims),
		]),
	);
	const y = build(g, values);
	const gradient = g.input("gradient", "float32", y.shape);
	const wrt = Object.values(values);
	differentiate(g, [{ value: y, gradient }], wrt).forEach((value, i) => {
		if (value !== undefined) g.output(`gradient.${wrt[i]?.name}`, value);
	});
	g.output("y", y);
	const random = seededRandom(1);
	const draw = (dims: readonly number[]): Tensor => {
		const count = dims.reduce((a, b) => a * b, 1);
		return tensor(
			"float32",
			dims,
			Float32Array.from({ length: count }, () => random.uniform()),
		);
	};
	const feeds: Record<string, Tensor> = { gradient: draw([batch, ...(y.shape.slice(1) as number[])]) };
	for (const [name, dims] of Object.entries(inputs)) feeds[name] = draw(dims);
	const session = await nodeRuntime.load(encodeModel(g.build()), { threads });
	return {
		session,
		async time(runs: number): Promise<number[]> {
			const times: number[] = [];
			for (let i = 0; i < runs; i++) {
				const start = performance.now();
				await session.run(feeds);
				times.push(performance.now() - start);
			}
			return times;
		},
	};
}

interface Spread {
	readonly median: number;
	/** First and third quartile. */
	readonly quartiles: readonly [number, number];
}

function spread(times: readonly number[]): Spread {
	const sorted = times.toSorted((a, b) => a - b);
	const at = (share: number) => Number((sorted[Math.floor(share * (sorted.length - 1))] as number).toFixed(3));
	return { median: at(0.5), quartiles: [at(0.25), at(0.75)] };
}

async function measure(piece: Piece, threads: number, pytorch: PyTorch | undefined) {
	const { session, time } = await compile(piece, threads);
	await pytorch?.prepare(piece.inputs, piece.python);
	await time(5);
	await pytorch?.time(5);
	const ours: number[] = [];
	const theirs: number[] = [];
	for (let turn = 0; turn < 5; turn++) {
		ours.push(...(await time(10)));
		if (pytorch !== undefined) theirs.push(...(await pytorch.time(10)));
	}
	await session.close();
	const result = { name: piece.name, psgl: spread(ours) };
	if (pytorch === undefined) return result;
	const reference = spread(theirs);
	return { ...result, pytorch: reference, ratio: Number((result.psgl.median / reference.median).toFixed(2)) };
}

const { values } = parseArgs({ options: { threads: { type: "string", default: "1" }, json: { type: "boolean" } } });
const threads = Number(values.threads);
const pytorch = await startPyTorch(threads);
const results: Awaited<ReturnType<typeof measure>>[] = [];
for (const piece of pieces) results.push(await measure(piece, threads, pytorch));
await pytorch?.close();
const report = {
	threads,
	runtime: nodeRuntime.version,
	reference: pytorch?.version ?? "missing",
	load: loadavg(),
	results,
};
if (values.json) console.log(JSON.stringify(report));
else {
	console.log(
		`${report.runtime}, ${threads} threads, batch ${batch}; PyTorch: ${report.reference}; load ${report.load.join(" ")}`,
	);
	const row = ({ median, quartiles }: Spread) => `${median} (${quartiles.join(" to ")})`;
	console.table(
		results.map((r) => ({
			piece: r.name,
			"psgl, ms": row(r.psgl),
			...("ratio" in r ? { "PyTorch, ms": row(r.pytorch), ratio: r.ratio } : {}),
		})),
	);
}
