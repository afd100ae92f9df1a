import { execFile } from "node:child_process";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { attributes, encodeModel, GraphBuilder } from "@psgl/models";
import { ArtifactError, type Session, ShapeError, type Tensor } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { largestDifference } from "../helpers/largest-difference.js";
import { numbers } from "../helpers/numbers.js";
import { temporaryFolder } from "../helpers/temporary-folder.js";

/** a [B,2] times b [2,2], and the number of rows. */
function graph(): Uint8Array {
	const g = new GraphBuilder("test");
	const a = g.input("a", "float32", ["B", 2]);
	const product = g.add("MatMul", [a, g.input("b", "float32", [2, 2])]);
	g.output("product", product);
	g.output("rows", g.add("ReduceSum", [product, g.ints([1])], { keepdims: attributes.int(0) }));
	return encodeModel(g.build());
}

const matrix = (dims: readonly number[], ...values: number[]): Tensor<"float32"> => ({
	dtype: "float32",
	dims,
	data: Float32Array.from(values),
});
const a = matrix([1, 2], 1, 2);
const b = matrix([2, 2], 1, 0, 0, 10);

async function refused(
	session: Session,
	feeds: Record<string, Tensor>,
	fetches?: readonly string[],
): Promise<ShapeError> {
	try {
		await session.run(feeds, fetches);
	} catch (error) {
		if (error instanceof ShapeError) return error;
		throw error;
	}
	throw new Error("it ran");
}

test("a session runs, names its inputs and outputs, and returns what is asked for", async (t) => {
	await using session = await nodeRuntime.load(graph());
	t.deepEqual(
		[session.inputNames, session.outputNames],
		[
			["a", "b"],
			["product", "rows"],
		],
	);
	const all = await session.run({ a, b });
	t.deepEqual([numbers(all.product), numbers(all.rows)], [[1, 20], [21]]);
	t.deepEqual(all.product?.dims, [1, 2]);
	t.is(all.product?.dtype, "float32");
	t.deepEqual(Object.keys(await session.run({ a, b }, ["rows"])), ["rows"]);
	// Feeds the graph does not know are for other graphs.
	t.deepEqual(numbers((await session.run({ a, b, c: a })).product), [1, 20]);
});

test("a missing input is named", async (t) => {
	await using session = await nodeRuntime.load(graph());
	const error = await refused(session, { a, c: b });
	t.is(error.code, "PSGL_RUNTIME_FEED");
	t.is(error.got, "a, c");
	t.is(error.expected, "b");
});

test("inputs of another shape or type are refused with the shapes that were given", async (t) => {
	await using session = await nodeRuntime.load(graph());
	const wrong: readonly Record<string, Tensor>[] = [
		{ a: matrix([1, 3], 1, 2, 3), b },
		{ a: matrix([2], 1, 2), b },
		{ a, b: matrix([3, 2], 1, 2, 3, 4, 5, 6) },
		{ a: { dtype: "int64", dims: [1, 2], data: BigInt64Array.of(1n, 2n) }, b },
		{ a: matrix([4, 2], 1, 2), b },
	];
	for (const feeds of wrong) {
		const error = await refused(session, feeds);
		t.is(error.code, "PSGL_RUNTIME_FEED");
		t.regex(error.got ?? "", new RegExp(`a \\[${feeds.a?.dims.join(",")}\\]`));
		t.not(error.cause, undefined);
	}
	t.is((await refused(session, { a, b }, ["nothing"])).code, "PSGL_RUNTIME_FEED");
	// A session is as good after a failed run as before.
	t.deepEqual(numbers((await session.run({ a, b })).product), [1, 20]);
});

test("what is no graph cannot be loaded", async (t) => {
	const bytes = graph();
	for (const model of [new Uint8Array(), new Uint8Array(100), bytes.subarray(0, bytes.length - 30)]) {
		const error = await t.throwsAsync(nodeRuntime.load(model), { instanceOf: ArtifactError });
		t.is(error?.code, "PSGL_RUNTIME_LOAD");
		t.regex(error?.got ?? "", new RegExp(`^${model.length} bytes`));
		t.truthy(error?.remedy);
	}
});

test("runs that overlap do not disturb each other", async (t) => {
	await using session = await nodeRuntime.load(graph(), { threads: 2 });
	const runs = Array.from({ length: 40 }, (_, i) => session.run({ a: matrix([1, 2], i, -i), b }));
	(await Promise.all(runs)).forEach(({ product, rows }, i) => {
		t.deepEqual([numbers(product), numbers(rows)], [[i, -10 * i].map((v) => v + 0), [-9 * i + 0]]);
	});
});

test("more threads change the last bits of a result at most", async (t) => {
	const size = 96;
	const g = new GraphBuilder("test");
	const x = g.input("x", "float32", [size, size]);
	g.output("y", g.add("Softmax", [g.add("MatMul", [x, x])], { axis: attributes.int(1) }));
	const data = Float32Array.from({ length: size * size }, (_, i) => Math.sin(i));
	const results = [];
	for (const threads of [1, 2]) {
		await using session = await nodeRuntime.load(encodeModel(g.build()), { threads });
		results.push((await session.run({ x: { dtype: "float32", dims: [size, size], data } })).y);
	}
	t.true(largestDifference(results[1], results[0] as Tensor) < 1e-6);
});

test("a session that is disposed of runs no more", async (t) => {
	const session = await nodeRuntime.load(graph());
	await session.close();
	await t.throwsAsync(session.run({ a, b }));
});

/** Names of all files below a folder. */
async function filesIn(folder: string): Promise<string[]> {
	const entries = await readdir(folder, { recursive: true, withFileTypes: true });
	return entries.filter((e) => e.isFile()).map((e) => join(e.parentPath, e.name));
}

test("loading and running a graph leaves nothing in the home or cache folder", async (t) => {
	const home = await temporaryFolder(t);
	const script = `
		import { nodeRuntime } from "@psgl/sdk/runtime/node";
		const session = await nodeRuntime.load(Buffer.from(process.argv[1], "base64"));
		const feed = (dims, ...values) => ({ dtype: "float32", dims, data: Float32Array.from(values) });
		const { rows } = await session.run({ a: feed([1, 2], 1, 2), b: feed([2, 2], 1, 0, 0, 10) });
		console.log(rows.data[0], process.env.ORT_DISABLE_TELEMETRY);
		await session.close();
	`;
	const argv = ["--input-type=module", "--eval", script, Buffer.from(graph()).toString("base64")];
	const { ORT_DISABLE_TELEMETRY: _, ...inherited } = process.env;
	const { stdout } = await promisify(execFile)(process.execPath, argv, {
		env: { ...inherited, HOME: home, XDG_CACHE_HOME: join(home, "cache"), XDG_CONFIG_HOME: join(home, "config") },
	});
	t.is(stdout, "21 1\n");
	t.deepEqual(await filesIn(home), []);
});

test("a session may be closed twice", async (t) => {
	const session = await nodeRuntime.load(graph());
	await session.close();
	await t.notThrowsAsync(session.close());
});

test("results that nobody holds any more are collected after some mebibytes", async (t) => {
	const g = new GraphBuilder("test");
	g.output("y", g.add("Neg", [g.input("x", "float32", ["B"])]));
	await using session = await nodeRuntime.load(encodeModel(g.build()));
	// A quarter of a mebibyte a run, 50 mebibytes in all.
	const x: Tensor<"float32"> = { dtype: "float32", dims: [2 ** 16], data: new Float32Array(2 ** 16).fill(2) };
	const { y: kept } = await session.run({ x });
	const before = process.memoryUsage().arrayBuffers;
	let most = 0;
	for (let i = 0; i < 200; i++) {
		await session.run({ x });
		most = Math.max(most, process.memoryUsage().arrayBuffers - before);
	}
	t.true(most < 12 * 2 ** 20, `${most} bytes`);
	t.true((kept as Tensor<"float32">).data.every((value) => value === -2));
	t.is(globalThis.gc, undefined);
});

test("results are written over the tensors that are given for them, and no others", async (t) => {
	await using session = await nodeRuntime.load(graph());
	const product = matrix([2, 2], 7, 7, 7, 7);
	const twoRows = matrix([2, 2], 1, 2, 3, 4);
	const out = await session.run({ a: twoRows, b }, undefined, { product });
	t.is(out.product, product);
	t.deepEqual(
		[numbers(product), numbers(out.rows)],
		[
			[1, 20, 3, 40],
			[21, 43],
		],
	);
	const again = await session.run({ a: twoRows, b });
	t.not(again.product?.data.buffer, product.data.buffer);
});

test("tensors given for results of another size or type are refused, and nothing is written into them", async (t) => {
	await using session = await nodeRuntime.load(graph());
	const wrong: readonly Tensor[] = [
		matrix([2, 2], 7, 7, 7, 7),
		matrix([2], 7, 7),
		{ dtype: "float64", dims: [1, 2], data: Float64Array.of(7, 7) },
	];
	for (const product of wrong) {
		const error = await t.throwsAsync(session.run({ a, b }, undefined, { product }), { instanceOf: ShapeError });
		t.is(error?.code, "PSGL_RUNTIME_FEED");
		t.true(numbers(product).every((value) => value === 7));
	}
});

test("a graph whose inputs and outputs are pieces of vectors takes and gives the vectors", async (t) => {
	const g = new GraphBuilder("test");
	const [first, second] = [g.input("v@0", "float32", [2]), g.input("v@2", "float32", [3])];
	g.output("w@3", g.add("Neg", [first]));
	g.output("w@0", g.add("Mul", [second, g.input("factor", "float32", [])]));
	await using session = await nodeRuntime.load(encodeModel(g.build()));
	t.deepEqual([session.inputNames, session.outputNames], [["v", "factor"], ["w"]]);
	const feeds = { v: matrix([5], 1, 2, 3, 4, 5), factor: matrix([], 10) };
	const { w } = await session.run(feeds);
	t.deepEqual([w?.dims, numbers(w)], [[5], [30, 40, 50, -1, -2]]);
	const over = matrix([5], 0, 0, 0, 0, 0);
	t.is((await session.run(feeds, ["w"], { w: over })).w, over);
	t.deepEqual(numbers(over), [30, 40, 50, -1, -2]);
	for (const v of [matrix([4], 1, 2, 3, 4), matrix([6], 1, 2, 3, 4, 5, 6)]) {
		const error = await refused(session, { ...feeds, v });
		t.is(error.code, "PSGL_RUNTIME_FEED");
		t.regex(error.message, /v has \d values; its pieces take 5/);
	}
	await t.throwsAsync(session.run(feeds, ["w"], { w: matrix([6], 0, 0, 0, 0, 0, 0) }), { instanceOf: ShapeError });
});
