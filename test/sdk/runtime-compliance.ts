import { attributes, encodeModel, GraphBuilder } from "@psgl/models";
import { ArtifactError, type Runtime, type Session, ShapeError, type Tensor } from "@psgl/sdk";
import { type ExecutionContext, type Implementation, default as test } from "ava";
import { largestDifference } from "../helpers/largest-difference.js";
import { numbers } from "../helpers/numbers.js";

/** a [B,2] times b [2,2], and the number of rows. */
export function runtimeGraph(): Uint8Array {
	const g = new GraphBuilder("test");
	const a = g.input("a", "float32", ["B", 2]);
	const product = g.add("MatMul", [a, g.input("b", "float32", [2, 2])]);
	g.output("product", product);
	g.output("rows", g.add("ReduceSum", [product, g.ints([1])], { keepdims: attributes.int(0) }));
	return encodeModel(g.build());
}

export const matrix = (dims: readonly number[], ...values: number[]): Tensor<"float32"> => ({
	dtype: "float32",
	dims,
	data: Float32Array.from(values),
});
const a = matrix([1, 2], 1, 2);
const b = matrix([2, 2], 1, 0, 0, 10);

export async function refused(
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

/** `test`, or one that first looks whether it can run. */
type Define = (title: string, run: Implementation<[]>) => void;

/** What every runtime does. */
export function runtimeCompliance(
	name: string,
	open: (t: ExecutionContext) => Promise<Runtime>,
	define: Define = test,
): void {
	const check = (title: string, body: (t: ExecutionContext, runtime: Runtime) => Promise<void>) => {
		define(`${name}: ${title}`, async (t) => body(t, await open(t)));
	};

	check("a session runs, names its inputs and outputs, and returns what is asked for", async (t, runtime) => {
		await using session = await runtime.load(runtimeGraph());
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

	check("a missing input is named", async (t, runtime) => {
		await using session = await runtime.load(runtimeGraph());
		const error = await refused(session, { a, c: b });
		t.is(error.code, "PSGL_RUNTIME_FEED");
		t.is(error.got, "a, c");
		t.is(error.expected, "b");
	});

	check("inputs of another shape or type are refused with the shapes that were given", async (t, runtime) => {
		await using session = await runtime.load(runtimeGraph());
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

	check("what is no graph cannot be loaded", async (t, runtime) => {
		const bytes = runtimeGraph();
		for (const model of [new Uint8Array(), new Uint8Array(100), bytes.subarray(0, bytes.length - 30)]) {
			const error = await t.throwsAsync(runtime.load(model), { instanceOf: ArtifactError });
			t.is(error?.code, "PSGL_RUNTIME_LOAD");
			t.regex(error?.got ?? "", new RegExp(`^${model.length} bytes`));
			t.truthy(error?.remedy);
		}
	});

	check("runs that overlap do not disturb each other", async (t, runtime) => {
		await using session = await runtime.load(runtimeGraph(), { threads: 2 });
		const runs = Array.from({ length: 40 }, (_, i) => session.run({ a: matrix([1, 2], i, -i), b }));
		(await Promise.all(runs)).forEach(({ product, rows }, i) => {
			t.deepEqual([numbers(product), numbers(rows)], [[i, -10 * i].map((v) => v + 0), [-9 * i + 0]]);
		});
	});

	check(
		"a session that computes aside gives the same, refuses the same, and ends its runs before it is closed",
		async (t, runtime) => {
			await using beside = await runtime.load(runtimeGraph());
			const session = await runtime.load(runtimeGraph(), { aside: true });
			const feeds = Array.from({ length: 12 }, (_, i) => ({ a: matrix([1, 2], i + 1, -i / 3), b }));
			const expected = await Promise.all(feeds.map((feed) => beside.run(feed)));
			const runs = feeds.map((feed) => session.run(feed));
			t.is((await refused(session, { a: matrix([1, 3], 1, 2, 3), b })).code, "PSGL_RUNTIME_FEED");
			t.deepEqual(await Promise.all(runs), expected);
			const last = session.run({ a, b });
			await new Promise((resolve) => setImmediate(resolve));
			await session.close();
			t.deepEqual(numbers((await last).product), [1, 20]);
			await t.throwsAsync(session.run({ a, b }));
		},
	);

	check("more threads change the last bits of a result at most", async (t, runtime) => {
		const size = 96;
		const g = new GraphBuilder("test");
		const x = g.input("x", "float32", [size, size]);
		g.output("y", g.add("Softmax", [g.add("MatMul", [x, x])], { axis: attributes.int(1) }));
		const data = Float32Array.from({ length: size * size }, (_, i) => Math.sin(i));
		const results = [];
		for (const threads of [1, 2]) {
			await using session = await runtime.load(encodeModel(g.build()), { threads });
			results.push((await session.run({ x: { dtype: "float32", dims: [size, size], data } })).y);
		}
		t.true(largestDifference(results[1], results[0] as Tensor) < 1e-6);
	});

	check("a session that is disposed of runs no more", async (t, runtime) => {
		const session = await runtime.load(runtimeGraph());
		await session.close();
		await t.throwsAsync(session.run({ a, b }));
	});

	check("a session may be closed twice", async (t, runtime) => {
		const session = await runtime.load(runtimeGraph());
		await session.close();
		await t.notThrowsAsync(session.close());
	});
}
