import { type Augmentation, augmented } from "@psgl/models";
import { type Tensor, tensor } from "@psgl/sdk";
import test from "ava";
import { runGraph } from "../../helpers/run-graph.js";

const still: Augmentation = { shift: 0, zoom: 0, contrast: 0, brightness: 0, mirror: false };

async function changed(x: Tensor<"float32">, change: Partial<Augmentation>, seed = 1): Promise<Tensor<"float32">> {
	const { y } = await runGraph(
		(g) => {
			const input = g.input("x", "float32", ["B", ...x.dims.slice(1)]);
			const random = { seed: g.input("seed", "int64", []), name: "augmentation" };
			g.output("y", augmented(g, input, { ...still, ...change }, random));
		},
		{ x, seed: { dtype: "int64", dims: [], data: BigInt64Array.of(BigInt(seed)) } },
	);
	return y as Tensor<"float32">;
}

const batch = 200;

/** The same picture `batch` times: grey, with one bright pixel right of the middle. */
const pictures = tensor(
	"float32",
	[batch, 1, 9, 11],
	Float32Array.from({ length: batch * 99 }, (_, i) => (i % 99 === 4 * 11 + 7 ? 0.75 : 0.25)),
);

const picture = (y: Tensor<"float32">, n: number) => y.data.slice(99 * n, 99 * (n + 1));

/** Centre of mass of what is brighter than the ground: row and column. */
function centre(values: Float32Array): readonly [number, number] {
	let [row, column, mass] = [0, 0, 0];
	values.forEach((value, i) => {
		const weight = value - 0.25;
		row += weight * Math.floor(i / 11);
		column += weight * (i % 11);
		mass += weight;
	});
	return [row / mass, column / mass];
}

test("amounts of zero change nothing, and what is drawn is a function of the seed", async (t) => {
	const same = await changed(pictures, {});
	t.true(same.data.every((v, i) => Math.abs(v - (pictures.data[i] as number)) < 1e-6));
	const all = { shift: 0.1, zoom: 0.1, contrast: 0.2, brightness: 0.1, mirror: true };
	const once = await changed(pictures, all, 7);
	t.deepEqual((await changed(pictures, all, 7)).data, once.data);
	t.notDeepEqual((await changed(pictures, all, 8)).data, once.data);
	t.notDeepEqual(picture(once, 0), picture(once, 1));
	t.true(once.data.every((v) => v >= 0 && v <= 1));
});

test("shifts are of parts of pixels, both ways, and end at the bound", async (t) => {
	const centres = Array.from({ length: batch }, (_, n) => n);
	const moved = await changed(pictures, { shift: 0.2 });
	const rows = centres.map((n) => centre(picture(moved, n))[0] - 4);
	const columns = centres.map((n) => centre(picture(moved, n))[1] - 7);
	for (const [offsets, bound] of [
		[rows, 0.2 * 9],
		[columns, 0.2 * 11],
	] as const) {
		t.true(offsets.every((d) => Math.abs(d) <= bound + 1e-3));
		t.true(Math.max(...offsets) > 0.9 * bound && Math.min(...offsets) < -0.9 * bound);
	}
	t.true(rows.some((d) => Math.abs(d - Math.round(d)) > 0.2));
	const product = rows.reduce((sum, d, n) => sum + d * (columns[n] as number), 0) / batch;
	t.true(Math.abs(product) < 0.3, "rows and columns move independently");
});

test("about half of the samples are mirrored, exactly", async (t) => {
	const turned = await changed(pictures, { mirror: true });
	const columns = Array.from({ length: batch }, (_, n) => centre(picture(turned, n))[1]);
	t.true(columns.every((c) => Math.abs(c - 7) < 1e-3 || Math.abs(c - 3) < 1e-3));
	const mirrored = columns.filter((c) => c < 5).length;
	t.true(mirrored > 70 && mirrored < 130, `${mirrored}`);
});

test("zoom moves what is off the middle, brightness and contrast change values as bounded", async (t) => {
	const zoomed = await changed(pictures, { zoom: 0.3 });
	const columns = Array.from({ length: batch }, (_, n) => centre(picture(zoomed, n))[1]);
	t.true(Math.max(...columns) > 7.4 && Math.min(...columns) < 6.7);
	const brighter = await changed(pictures, { brightness: 0.1 });
	const grounds = Array.from({ length: batch }, (_, n) => picture(brighter, n)[0] as number);
	t.true(grounds.every((v) => Math.abs(v - 0.25) <= 0.1 + 1e-6));
	t.true(Math.max(...grounds) > 0.34 && Math.min(...grounds) < 0.16);
	const contrasted = await changed(pictures, { contrast: 0.5 });
	const spans = Array.from(
		{ length: batch },
		(_, n) => Math.max(...picture(contrasted, n)) - Math.min(...picture(contrasted, n)),
	);
	t.true(spans.every((s) => s >= 0.25 - 1e-6 && s <= 0.75 + 1e-6));
	t.true(Math.max(...spans) > 0.7 && Math.min(...spans) < 0.3);
});

test("signals move along their one axis", async (t) => {
	const signals = tensor(
		"float32",
		[batch, 2, 16],
		Float32Array.from({ length: batch * 32 }, (_, i) => (i % 16 === 8 ? 1 : 0)),
	);
	const moved = await changed(signals, { shift: 0.2 });
	const places = Array.from({ length: batch }, (_, n) => {
		const row = moved.data.slice(32 * n, 32 * n + 16);
		t.deepEqual(moved.data.slice(32 * n + 16, 32 * n + 32), row);
		return row.reduce((sum, v, i) => sum + v * i, 0) / row.reduce((a, b) => a + b, 0);
	});
	t.true(places.every((p) => Math.abs(p - 8) <= 3.2 + 1e-3));
	t.true(Math.max(...places) > 10.8 && Math.min(...places) < 5.2);
});
