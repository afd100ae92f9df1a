import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { attributes, differentiate, encodeModel, GraphBuilder, type Value } from "@psgl/models";
import { ArtifactError, seededRandom, type Tensor } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { largestDifference } from "../helpers/largest-difference.js";
import { normalTensor } from "../helpers/operator-gradients.js";
import { temporaryFolder } from "../helpers/temporary-folder.js";

const { int, ints, string } = attributes;

interface Case {
	/** [C,H,W] */
	readonly image: readonly [number, number, number];
	/** [M,C,kh,kw] */
	readonly weights: readonly [number, number, number, number];
	/** Top, left, bottom, right. */
	readonly pads?: readonly [number, number, number, number];
	readonly strides?: readonly [number, number];
	readonly dilations?: readonly [number, number];
	readonly bias?: boolean;
}

/** Convolutions of whole blocks of channels, of few channels, and such as have to stay as they are. */
const cases: readonly Case[] = [
	{ image: [32, 7, 7], weights: [64, 32, 3, 3], pads: [1, 1, 1, 1] },
	{ image: [16, 9, 6], weights: [16, 16, 3, 2], pads: [0, 1, 2, 0], bias: true },
	{ image: [48, 6, 8], weights: [32, 48, 1, 1] },
	{ image: [64, 12, 11], weights: [16, 64, 3, 3], strides: [2, 3], pads: [1, 0, 1, 0], bias: true },
	{ image: [16, 13, 12], weights: [32, 16, 3, 3], dilations: [2, 1], pads: [2, 1, 2, 1] },
	{ image: [5, 14, 14], weights: [16, 5, 3, 3], pads: [1, 1, 1, 1] },
	{ image: [13, 8, 9], weights: [32, 13, 2, 3], bias: true },
	{ image: [3, 10, 10], weights: [16, 3, 7, 7], strides: [2, 2], pads: [3, 3, 3, 3] },
	{ image: [20, 7, 7], weights: [16, 20, 3, 3] },
	{ image: [16, 7, 7], weights: [24, 16, 3, 3] },
	{ image: [3, 9, 9], weights: [16, 3, 3, 3], pads: [1, 1, 1, 1] },
	{ image: [32, 4, 4], weights: [48, 32, 3, 3], pads: [1, 1, 1, 1] },
	{ image: [32, 3, 3], weights: [32, 32, 3, 3], pads: [1, 1, 1, 1] },
];

/** Convolution as the operator's definition has it (ONNX operator specification: Conv), [B,C,H,W] by [M,C,kh,kw]. */
function convolved(x: Tensor<"float32">, w: Tensor<"float32">, bias: Tensor<"float32">, settings: Case) {
	const { pads = [0, 0, 0, 0], strides = [1, 1], dilations = [1, 1] } = settings;
	const [batch, channels, height, width] = x.dims as [number, number, number, number];
	const [filters, , kh, kw] = w.dims as [number, number, number, number];
	const [top, left, bottom, right] = pads;
	const rows = Math.floor((height + top + bottom - (kh - 1) * dilations[0] - 1) / strides[0]) + 1;
	const columns = Math.floor((width + left + right - (kw - 1) * dilations[1] - 1) / strides[1]) + 1;
	const data = new Float32Array(batch * filters * rows * columns);
	data.forEach((_, at) => {
		const [j, i] = [at % columns, Math.floor(at / columns) % rows];
		const [m, b] = [Math.floor(at / columns / rows) % filters, Math.floor(at / columns / rows / filters)];
		let sum = bias.data[m] as number;
		for (let c = 0; c < channels; c++)
			for (let p = 0; p < kh; p++)
				for (let q = 0; q < kw; q++) {
					const [y, z] = [i * strides[0] + p * dilations[0] - top, j * strides[1] + q * dilations[1] - left];
					if (y < 0 || z < 0 || y >= height || z >= width) continue;
					const pixel = x.data[((b * channels + c) * height + y) * width + z] as number;
					sum += pixel * (w.data[((m * channels + c) * kh + p) * kw + q] as number);
				}
		data[at] = sum;
	});
	return { dtype: "float32", dims: [batch, filters, rows, columns], data } satisfies Tensor;
}

function graphOf({ image, weights, pads, strides, dilations, bias }: Case): Uint8Array {
	const g = new GraphBuilder("test");
	const x = g.input("x", "float32", ["B", ...image]);
	const w = g.input("w", "float32", weights);
	const b = g.input("b", "float32", [weights[0]]);
	const settings = {
		...(pads === undefined ? {} : { pads: ints(pads) }),
		...(strides === undefined ? {} : { strides: ints(strides) }),
		...(dilations === undefined ? {} : { dilations: ints(dilations) }),
	};
	// Behind other operators, as weights and images of a network are, and twice, as one that is computed for its map as well.
	const [pixels, kernel] = [g.add("Relu", [x]), g.add("Neg", [w])];
	g.output("y", g.add("Conv", [pixels, kernel, bias === true ? b : undefined], settings));
	g.output("again", g.add("Conv", [g.add("Neg", [pixels]), kernel], settings));
	g.output("bias", g.add("Neg", [b]));
	return encodeModel(g.build());
}

const mapped = (tensor: Tensor<"float32">, change: (value: number) => number) => ({
	...tensor,
	data: tensor.data.map(change),
});

for (const settings of cases) {
	const { image, weights, ...rest } = settings;
	test(`a convolution of [${image}] by [${weights}] ${JSON.stringify(rest)} is what its definition says`, async (t) => {
		const random = seededRandom(1);
		const [x, w] = [normalTensor(random, [2, ...image]), normalTensor(random, weights)];
		const b = normalTensor(random, [weights[0]]);
		await using session = await nodeRuntime.load(graphOf(settings), { threads: 2 });
		const { y, again } = await session.run({ x, w, b });
		const [pixels, kernel] = [mapped(x, (value) => Math.max(value, 0)), mapped(w, (value) => -value)];
		const none = mapped(b, () => 0);
		const expected = convolved(pixels, kernel, settings.bias === true ? b : none, settings);
		const largest = expected.data.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
		t.deepEqual(y?.dims, expected.dims);
		t.true(largestDifference(y, expected) < 1e-5 * largest);
		const opposite = mapped(convolved(pixels, kernel, none, settings), (value) => -value);
		t.true(largestDifference(again, opposite) < 1e-5 * largest);
	});
}

/** [M,C,kh,kw] with M and C exchanged and each kernel back to front. */
function turnedAround({ dims, data }: Tensor<"float32">): Tensor<"float32"> {
	const [filters, channels, ...kernel] = dims as [number, number, number, number];
	const places = kernel[0] * kernel[1];
	const turned = data.map((_, at) => {
		const [place, m, c] = [at % places, Math.floor(at / places) % filters, Math.floor(at / places / filters)];
		return data[(m * channels + c) * places + places - 1 - place] as number;
	});
	return { dtype: "float32", dims: [channels, filters, ...kernel], data: turned };
}

for (const isNeeded of [false, true]) {
	test(`an image's gradient is the convolution by the weights turned around, ${isNeeded ? "also" : "not"} where the graph needs these itself`, async (t) => {
		const g = new GraphBuilder("test");
		const x = g.input("x", "float32", ["B", 32, 6, 5]);
		const w = g.input("w", "float32", [48, 32, 3, 2]);
		const y = g.add("Conv", [x, w], { pads: ints([1, 0, 0, 1]) });
		const dy = g.input("dy", "float32", y.shape);
		const [dx] = differentiate(g, [{ value: y, gradient: dy }], [x]);
		g.output("dx", dx as Value);
		if (isNeeded) g.output("turned", g.add("Neg", [g.producer(dx as Value)?.inputs[1]]));
		const folder = await temporaryFolder(t);
		const session = await nodeRuntime.load(encodeModel(g.build()), { threads: 2, profilePrefix: join(folder, "run") });
		const random = seededRandom(3);
		const [weights, gradient] = [normalTensor(random, [48, 32, 3, 2]), normalTensor(random, [2, 48, 5, 5])];
		const image = normalTensor(random, [2, 32, 6, 5]);
		const results = await session.run({ x: image, w: weights, dy: gradient });
		const kernel = turnedAround(weights);
		const none = mapped(normalTensor(random, [32]), () => 0);
		const settings: Case = { image: [48, 5, 5], weights: [32, 48, 3, 2], pads: [1, 1, 2, 0] };
		const expected = convolved(gradient, kernel, none, settings);
		t.deepEqual(results.dx?.dims, [2, 32, 6, 5]);
		t.true(largestDifference(results.dx, expected) < 1e-4);
		if (isNeeded)
			t.is(
				largestDifference(
					results.turned,
					mapped(kernel, (value) => -value),
				),
				0,
			);
	});
}

interface ProfileEvent {
	readonly name: string;
	readonly cat: string;
	readonly args?: { readonly op_name?: string };
}

async function nodesThatRan(folder: string, type: string): Promise<ReadonlySet<string>> {
	const [file] = await readdir(folder);
	const events = JSON.parse(await readFile(join(folder, file as string), "utf8")) as ProfileEvent[];
	return new Set(events.flatMap(({ cat, name, args }) => (cat === "Node" && args?.op_name === type ? [name] : [])));
}

test("whole blocks of channels are computed on blocks where the processor has kernels for them", async (t) => {
	const folder = await temporaryFolder(t);
	const session = await nodeRuntime.load(graphOf(cases[0] as Case), { profilePrefix: join(folder, "run") });
	const random = seededRandom(1);
	const normal = (dims: readonly number[]) => normalTensor(random, dims);
	await session.run({ x: normal([1, 32, 7, 7]), w: normal([64, 32, 3, 3]), b: normal([64]) });
	await session.close();
	const counts = await Promise.all(
		["Conv", "ReorderInput", "ReorderOutput"].map(async (type) => (await nodesThatRan(folder, type)).size),
	);
	if (process.arch === "x64") t.false(counts.includes(0));
	t.true((counts[0] as number) > 0);
});

test("weights that are no image's are refused as before, and a file that is cut off is no graph", async (t) => {
	const model = graphOf(cases[0] as Case);
	await using session = await nodeRuntime.load(model);
	const normal = (dims: readonly number[]) => normalTensor(seededRandom(1), dims);
	await t.throwsAsync(session.run({ x: normal([1, 16, 7, 7]), w: normal([64, 32, 3, 3]), b: normal([64]) }), {
		code: "PSGL_RUNTIME_FEED",
	});
	for (let length = 1; length < model.length; length += 13) {
		const error = await t.throwsAsync(nodeRuntime.load(model.subarray(0, length)));
		t.true(error instanceof ArtifactError, `${length} bytes: ${error}`);
	}
});

test("the same node, in groups, stays as it is", async (t) => {
	const g = new GraphBuilder("test");
	const x = g.input("x", "float32", ["B", 32, 7, 7]);
	const w = g.input("w", "float32", [32, 16, 3, 3]);
	g.output("y", g.add("Conv", [x, w], { group: int(2), auto_pad: string("SAME_UPPER") }));
	await using session = await nodeRuntime.load(encodeModel(g.build()));
	const random = seededRandom(1);
	const [image, weights] = [normalTensor(random, [1, 32, 7, 7]), normalTensor(random, [32, 16, 3, 3])];
	const { y } = await session.run({ x: image, w: weights });
	const half = (of: Tensor<"float32">, dims: readonly number[], part: number) => {
		const size = of.data.length / 2;
		return { dtype: "float32", dims, data: of.data.slice(part * size, (part + 1) * size) } satisfies Tensor;
	};
	const zero = normalTensor(random, [16]);
	zero.data.fill(0);
	for (const part of [0, 1]) {
		const settings: Case = { image: [16, 7, 7], weights: [16, 16, 3, 3], pads: [1, 1, 1, 1] };
		const [pixels, kernel] = [half(image, [1, 16, 7, 7], part), half(weights, [16, 16, 3, 3], part)];
		const expected = convolved(pixels, kernel, zero, settings);
		t.true(largestDifference(half(y as Tensor<"float32">, expected.dims, part), expected) < 1e-4);
	}
});
