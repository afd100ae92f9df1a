import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { attributes, encodeModel, GraphBuilder } from "@psgl/models";
import { seededRandom, type Tensor } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { normalTensor } from "../helpers/operator-gradients.js";
import { temporaryFolder } from "../helpers/temporary-folder.js";

const { int, ints } = attributes;

interface Case {
	/** [C,H,W] */
	readonly image: readonly [number, number, number];
	readonly kernel: readonly [number, number];
	readonly strides?: readonly [number, number];
	/** Top, left, bottom, right. */
	readonly pads?: readonly [number, number, number, number];
	readonly dilations?: readonly [number, number];
	readonly ceil?: boolean;
}

/** Small images of whole blocks of channels, and such as have to stay as they are. */
const cases: readonly Case[] = [
	{ image: [64, 7, 7], kernel: [2, 2], strides: [2, 2] },
	{ image: [16, 14, 14], kernel: [2, 2], strides: [2, 2] },
	{ image: [32, 9, 8], kernel: [3, 2], strides: [1, 2], pads: [1, 0, 1, 1] },
	{ image: [48, 5, 6], kernel: [5, 6] },
	{ image: [20, 7, 7], kernel: [2, 2], strides: [2, 2] },
	{ image: [16, 17, 17], kernel: [2, 2], strides: [2, 2] },
	{ image: [16, 7, 7], kernel: [2, 2], strides: [2, 2], ceil: true },
	{ image: [16, 7, 7], kernel: [2, 2], dilations: [2, 3] },
];

/** Maxima as the operator's definition has them (ONNX operator specification: MaxPool), [B,C,H,W]. */
function maxima({ dims, data }: Tensor<"float32">, settings: Case) {
	const { kernel, strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], ceil = false } = settings;
	const [batch, channels, height, width] = dims as [number, number, number, number];
	const [top, left, bottom, right] = pads;
	const round = ceil ? Math.ceil : Math.floor;
	const rows = round((height + top + bottom - (kernel[0] - 1) * dilations[0] - 1) / strides[0]) + 1;
	const columns = round((width + left + right - (kernel[1] - 1) * dilations[1] - 1) / strides[1]) + 1;
	const largest = new Float32Array(batch * channels * rows * columns).map((_, at) => {
		const [j, i, plane] = [at % columns, Math.floor(at / columns) % rows, Math.floor(at / columns / rows)];
		let most = Number.NEGATIVE_INFINITY;
		for (let p = 0; p < kernel[0]; p++)
			for (let q = 0; q < kernel[1]; q++) {
				const [y, x] = [i * strides[0] + p * dilations[0] - top, j * strides[1] + q * dilations[1] - left];
				if (y < 0 || x < 0 || y >= height || x >= width) continue;
				most = Math.max(most, data[(plane * height + y) * width + x] as number);
			}
		return most;
	});
	return { dims: [batch, channels, rows, columns], data: largest };
}

function graphOf({ image, kernel, strides, pads, dilations, ceil }: Case): Uint8Array {
	const g = new GraphBuilder("test");
	// Behind another operator, as in a network.
	const pixels = g.add("Neg", [g.input("x", "float32", ["B", ...image])]);
	const settings = {
		kernel_shape: ints(kernel),
		...(strides && { strides: ints(strides) }),
		...(pads && { pads: ints(pads) }),
		...(dilations && { dilations: ints(dilations) }),
		...(ceil && { ceil_mode: int(1) }),
	};
	g.output("y", g.add("MaxPool", [pixels], settings));
	return encodeModel(g.build());
}

for (const settings of cases) {
	const { image, ...rest } = settings;
	test(`maxima of [${image}] under ${JSON.stringify(rest)} are what their definition says`, async (t) => {
		const x = normalTensor(seededRandom(1), [3, ...image]);
		await using session = await nodeRuntime.load(graphOf(settings));
		const { y } = await session.run({ x });
		t.like(y, maxima({ ...x, data: x.data.map((value) => -value) }, settings));
	});
}

test("maxima of small images run on blocks where the processor has kernels for them, those of large ones do not", async (t) => {
	const kernels = async (image: Case["image"]) => {
		const folder = await temporaryFolder(t);
		const settings: Case = { image, kernel: [2, 2], strides: [2, 2] };
		const session = await nodeRuntime.load(graphOf(settings), { profilePrefix: join(folder, "maxima") });
		await session.run({ x: normalTensor(seededRandom(1), [2, ...image]) });
		await session.close();
		const [file = ""] = await readdir(folder);
		const events = JSON.parse(await readFile(join(folder, file), "utf8")) as { args?: { op_name?: string } }[];
		return new Set(events.flatMap(({ args }) => args?.op_name ?? []));
	};
	const small = await kernels([16, 8, 8]);
	const large = await kernels([16, 32, 32]);
	t.true(small.has("MaxPool") && large.has("MaxPool"));
	t.false(large.has("ReorderInput"));
	if (process.arch === "x64") t.true(small.has("ReorderInput"));
});
