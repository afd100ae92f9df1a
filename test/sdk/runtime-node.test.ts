import { execFile } from "node:child_process";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { encodeModel, GraphBuilder } from "@psgl/models";
import { ShapeError, type Tensor } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { numbers } from "../helpers/numbers.js";
import { temporaryFolder } from "../helpers/temporary-folder.js";
import { matrix, refused, runtimeCompliance, runtimeGraph } from "./runtime-compliance.js";

runtimeCompliance("node", async () => nodeRuntime);

const a = matrix([1, 2], 1, 2);
const b = matrix([2, 2], 1, 0, 0, 10);

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
	const argv = ["--input-type=module", "--eval", script, Buffer.from(runtimeGraph()).toString("base64")];
	const { ORT_DISABLE_TELEMETRY: _, ...inherited } = process.env;
	const { stdout } = await promisify(execFile)(process.execPath, argv, {
		env: { ...inherited, HOME: home, XDG_CACHE_HOME: join(home, "cache"), XDG_CONFIG_HOME: join(home, "config") },
	});
	t.is(stdout, "21 1\n");
	t.deepEqual(await filesIn(home), []);
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

test("a process that waits gives the code of ONNX Runtime back, and computes the same after it", async (t) => {
	if (process.platform !== "linux") return t.pass("only done on Linux");
	const script = `
		import { readFile } from "node:fs/promises";
		import { setTimeout } from "node:timers/promises";
		import { nodeRuntime } from "@psgl/sdk/runtime/node";
		const session = await nodeRuntime.load(Buffer.from(process.argv[1], "base64"));
		const feed = (dims, ...values) => ({ dtype: "float32", dims, data: Float32Array.from(values) });
		const row = async () => (await session.run({ a: feed([1, 2], 1, 2), b: feed([2, 2], 1, 0, 0, 10) })).rows.data[0];
		const resident = async () => {
			const maps = await readFile("/proc/self/smaps", "latin1");
			return Number(/ r-xp .*libonnxruntime.so.1\\n(?:.*\\n)*?Rss: +(\\d+) kB/.exec(maps)[1]);
		};
		const [first, before] = [await row(), await resident()];
		while ((await resident()) > before / 4) await setTimeout(50);
		console.log(first, before > 4096, await row());
	`;
	const argv = ["--input-type=module", "--eval", script, Buffer.from(runtimeGraph()).toString("base64")];
	const { stdout } = await promisify(execFile)(process.execPath, argv, { timeout: 60_000 });
	t.is(stdout, "21 true 21\n");
});

test("results are written over the tensors that are given for them, and no others", async (t) => {
	await using session = await nodeRuntime.load(runtimeGraph());
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
	await using session = await nodeRuntime.load(runtimeGraph());
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
