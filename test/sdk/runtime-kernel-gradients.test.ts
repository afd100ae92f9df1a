import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { attributes, differentiate, encodeModel, GraphBuilder } from "@psgl/models";
import { seededRandom, type Tensor } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { largestDifference } from "../helpers/largest-difference.js";
import { normalTensor } from "../helpers/operator-gradients.js";
import { temporaryFolder } from "../helpers/temporary-folder.js";

const { ints } = attributes;

interface Case {
	/** [C,H,W] */
	readonly image: readonly [number, number, number];
	/** [M,C,kh,kw] */
	readonly weights: readonly [number, number, number, number];
	/** Top, left, bottom, right. */
	readonly pads: readonly [number, number, number, number];
	readonly strides?: readonly [number, number];
	readonly dilations?: readonly [number, number];
}

/** Of these the kernels' gradients are computed on blocks where the processor has kernels for them. */
const cases: readonly Case[] = [
	{ image: [32, 5, 6], weights: [64, 32, 3, 3], pads: [1, 1, 1, 1] },
	{ image: [48, 9, 8], weights: [64, 48, 3, 2], pads: [1, 0, 0, 1], strides: [2, 1] },
	{ image: [32, 9, 11], weights: [64, 32, 2, 3], pads: [0, 0, 0, 0], strides: [2, 2] },
	{ image: [32, 7, 9], weights: [80, 32, 3, 2], pads: [2, 1, 2, 1], dilations: [2, 1] },
	{ image: [16, 3, 3], weights: [16, 16, 3, 3], pads: [1, 1, 1, 1] },
	// Few channels.
	{ image: [5, 6, 7], weights: [16, 5, 3, 3], pads: [1, 1, 1, 1] },
	{ image: [7, 9, 8], weights: [32, 7, 3, 2], pads: [0, 2, 1, 0], strides: [2, 1] },
];

const extents = ({ image, weights, pads, strides = [1, 1], dilations = [1, 1] }: Case) =>
	[0, 1].map((i) => {
		const covered = ((weights[i + 2] as number) - 1) * (dilations[i] as number) + 1;
		const whole = (image[i + 1] as number) + (pads[i] as number) + (pads[i + 2] as number);
		return Math.floor((whole - covered) / (strides[i] as number)) + 1;
	}) as [number, number];

/** The sum over samples and places of value times pixel, for each filter, channel and offset. */
function gradientOf(x: Tensor<"float32">, dy: Tensor<"float32">, settings: Case): Tensor<"float32"> {
	const { weights, pads, strides = [1, 1], dilations = [1, 1] } = settings;
	const [, channels, kh, kw] = weights;
	const [batch, , height, width] = x.dims as [number, number, number, number];
	const [, filters, rows, columns] = dy.dims as [number, number, number, number];
	const data = new Float32Array(weights.reduce((a, b) => a * b, 1));
	data.forEach((_, at) => {
		const [q, p] = [at % kw, Math.floor(at / kw) % kh];
		const [c, m] = [Math.floor(at / kw / kh) % channels, Math.floor(at / kw / kh / channels)];
		let sum = 0;
		for (let b = 0; b < batch; b++)
			for (let i = 0; i < rows; i++)
				for (let j = 0; j < columns; j++) {
					const y = i * strides[0] + p * dilations[0] - pads[0];
					const z = j * strides[1] + q * dilations[1] - pads[1];
					if (y < 0 || z < 0 || y >= height || z >= width) continue;
					const value = dy.data[((b * filters + m) * rows + i) * columns + j] as number;
					sum += value * (x.data[((b * channels + c) * height + y) * width + z] as number);
				}
		data[at] = sum;
	});
	return { dtype: "float32", dims: weights, data };
}

/** Gradient `dw` of a kernel, and `again` of the sum of its squares by the values: a graph that needs some of its nodes itself. */
function graphOf(
	{ image, weights, pads, strides, dilations }: Case,
	places: readonly number[],
	batch: string | number = "B",
): Uint8Array {
	const g = new GraphBuilder("test");
	const x = g.input("x", "float32", [batch, ...image]);
	const w = g.input("w", "float32", weights);
	const dy = g.input("dy", "float32", [batch, weights[0], ...places]);
	const y = g.add("Conv", [x, w], {
		pads: ints(pads),
		...(strides === undefined ? {} : { strides: ints(strides) }),
		...(dilations === undefined ? {} : { dilations: ints(dilations) }),
	});
	const [dw] = differentiate(g, [{ value: y, gradient: dy }], [w]);
	if (dw === undefined) throw new Error("a kernel has a gradient");
	g.output("dw", dw);
	const [again] = differentiate(g, [{ value: dw, gradient: dw }], [dy]);
	if (again !== undefined) g.output("again", again);
	return encodeModel(g.build());
}

const operatorsOf = async (folder: string) => {
	const [file] = await readdir(folder);
	const events = JSON.parse(await readFile(join(folder, file as string), "utf8")) as { args?: { op_name?: string } }[];
	return new Set(events.map(({ args }) => args?.op_name));
};

for (const settings of cases) {
	const { image, weights, ...rest } = settings;
	test(`the gradient of [${weights}] over [${image}] ${JSON.stringify(rest)} is the sum of products`, async (t) => {
		const random = seededRandom(1);
		const places = extents(settings);
		const folder = await temporaryFolder(t);
		const session = await nodeRuntime.load(graphOf(settings, places), { profilePrefix: join(folder, "run") });
		const w = normalTensor(random, weights);
		// Less than a block of samples, a whole one, and one more.
		for (const batch of [3, 16, 17]) {
			const x = normalTensor(random, [batch, ...image]);
			const dy = normalTensor(random, [batch, weights[0], ...places]);
			const { dw } = await session.run({ x, w, dy }, ["dw"]);
			const expected = gradientOf(x, dy, settings);
			const largest = expected.data.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
			t.deepEqual(dw?.dims, expected.dims);
			t.true(largestDifference(dw, expected) < 1e-5 * largest, `${batch} samples`);
		}
		await session.close();
		if (process.arch === "x64") t.true((await operatorsOf(folder)).has("ReorderInput"));
	});
}

test("a gradient on blocks can be differentiated again, and is the same on two threads to the last bit", async (t) => {
	const [settings] = cases as [Case];
	const random = seededRandom(2);
	const places = extents(settings);
	const model = graphOf(settings, places);
	const [x, dy] = [normalTensor(random, [5, ...settings.image]), normalTensor(random, [5, 64, ...places])];
	const w = normalTensor(random, settings.weights);
	await using one = await nodeRuntime.load(model, { threads: 1 });
	await using two = await nodeRuntime.load(model, { threads: 2 });
	const [first, second] = [await one.run({ x, w, dy }), await two.run({ x, w, dy })];
	t.deepEqual(first.dw?.data, second.dw?.data);
	t.deepEqual(first.again?.data, second.again?.data);
	// Half of the squares' sum is a quadratic form of the values: its gradient times these is twice the form.
	const dot = (a: Tensor | undefined, b: Tensor | undefined) =>
		Array.from(a?.data as Float32Array).reduce((sum, value, i) => sum + value * Number(b?.data[i]), 0);
	const form = dot(first.dw, first.dw);
	t.true(Math.abs(dot(first.again, dy) - form) < 1e-5 * form);
});

test("where a graph is for fewer samples than a block has, the products stay", async (t) => {
	const [settings] = cases as [Case];
	const folder = await temporaryFolder(t);
	const places = extents(settings);
	const model = graphOf(settings, places, 2);
	const session = await nodeRuntime.load(model, { profilePrefix: join(folder, "run") });
	const normal = (dims: readonly number[]) => normalTensor(seededRandom(1), dims);
	await session.run(
		{ x: normal([2, ...settings.image]), w: normal(settings.weights), dy: normal([2, 64, ...places]) },
		["dw"],
	);
	await session.close();
	t.false((await operatorsOf(folder)).has("ReorderInput"));
});
