import { type GraphNode, shapesIn, wholeNumbersIn } from "./graph-nodes.js";
import type { Field } from "./protobuf.js";

/** The gradient of a kernel over two axes where a graph computes it by products of pixels with values. */
export interface KernelGradient {
	/** [B,C,...image] */
	readonly image: string;
	/** [B,M,...places] */
	readonly values: string;
	/** [M,C,...kernel] */
	readonly output: string;
	readonly shape: readonly number[];
	/** 0 where it is only known at run time. */
	readonly samples: number;
	/** Spatial extents of the image. */
	readonly extents: readonly number[];
	readonly places: readonly number[];
	readonly strides: readonly number[];
	readonly dilations: readonly number[];
	readonly padsBegin: readonly number[];
	/** Pixels behind the image that the window reaches; below 0 where it does not reach all of the image. */
	readonly padsEnd: readonly number[];
	/** First outputs of the nodes that compute it. */
	readonly nodes: ReadonlySet<string>;
}

/** The gradients of kernels in a graph whose nodes are `all`. */
export function kernelGradientsIn(fields: readonly Field[], all: readonly GraphNode[]): readonly KernelGradient[] {
	const producers = new Map(all.map((node) => [node.outputs[0] ?? "", node]));
	const constants = wholeNumbersIn(fields);
	const shapes = shapesIn(fields);
	return all.flatMap((node) => kernelGradientAt(node, producers, constants, shapes) ?? []);
}

/** Follows the nodes that kernel-gradient.ts of `@psgl/models` makes from the last of them to the first. */
function kernelGradientAt(
	last: GraphNode,
	producers: ReadonlyMap<string, GraphNode>,
	constants: ReadonlyMap<string, readonly number[]>,
	shapes: ReadonlyMap<string, readonly number[]>,
): KernelGradient | undefined {
	const shape = constants.get(last.inputs[1] ?? "");
	const [output = ""] = last.outputs;
	if (last.type !== "Reshape" || shape?.length !== 4) return undefined;
	const nodes = new Set([output]);
	const behind: Follow = (node, type, perm, input = 0) => {
		const name = node?.inputs[input] ?? "";
		const producer = producers.get(name);
		if (producer?.type !== type || producer.domain !== "") return undefined;
		if (perm !== undefined && producer.attributes.get("perm")?.join() !== perm) return undefined;
		nodes.add(name);
		return producer;
	};
	const found = productsOverBatch(last, behind) ?? productsOfSamples(last, behind);
	const [kernel, offsets] = [shape.slice(2), shape.slice(2).reduce((a, b) => a * b, 1)];
	const { image, values, slices = [], pad, firstAxis = 0 } = found ?? {};
	const [slice] = slices;
	const sources = new Set(slices.map((each) => each?.inputs[0]));
	const isWhole = slices.length === offsets && offsets > 1 && sources.size === 1;
	const [samples = 0, , ...extents] = shapes.get(image ?? "") ?? [];
	if (!isWhole || values === undefined || image === undefined || extents.length !== 2) return undefined;
	const [starts, ends, axes, strides] = [1, 2, 3, 4].map((i) => constants.get(slice?.inputs[i] ?? ""));
	const farthest = constants.get(slices.at(-1)?.inputs[1] ?? "");
	const pads = pad === undefined ? [0, 0, 0, 0] : constants.get(pad.inputs[1] ?? "");
	const isOfPlaces = axes?.join() === `${firstAxis},${firstAxis + 1}`;
	const isKnown = starts?.join() === "0,0" && isOfPlaces && !extents.includes(0);
	if (!isKnown || ends === undefined || strides === undefined || !farthest || !pads) return undefined;
	const dilations = kernel.map((extent, i) => (extent === 1 ? 1 : (farthest[i] as number) / (extent - 1)));
	const places = strides.map((stride, i) => Math.floor(((ends[i] as number) - 1) / stride) + 1);
	const padsBegin = pads.slice(firstAxis, firstAxis + 2);
	const padsEnd = places.map((count, i) => {
		const covered = ((kernel[i] as number) - 1) * (dilations[i] as number) + 1;
		return (count - 1) * (strides[i] as number) + covered - (extents[i] as number) - (padsBegin[i] as number);
	});
	return { image, values, output, shape, samples, extents, places, strides, dilations, padsBegin, padsEnd, nodes };
}

/** The node of a type behind the first input of another, or behind the one named. */
type Follow = (node: GraphNode | undefined, type: string, perm?: string, input?: number) => GraphNode | undefined;

/** What the products are of: pixels under each place of the kernel, and values. */
interface Products {
	readonly image: string | undefined;
	readonly values: string | undefined;
	/** One for each place of the kernel. */
	readonly slices: readonly (GraphNode | undefined)[];
	readonly pad: GraphNode | undefined;
	/** The first spatial axis of the pixels. */
	readonly firstAxis: number;
}

/** A product over all places of the batch for each place of the kernel, the channels last. */
function productsOverBatch(last: GraphNode, behind: Follow): Products | undefined {
	const concat = behind(behind(behind(last, "Transpose", "1,2,0"), "Reshape"), "Concat");
	const products = concat?.inputs.map((_, i) => behind(concat, "Gemm", undefined, i)) ?? [];
	const values = behind(behind(products[0], "Reshape"), "Transpose", "1,0,2,3")?.inputs[0];
	const slices = products.map((product) => behind(behind(product, "Reshape", undefined, 1), "Slice"));
	const pad = behind(slices[0], "Pad");
	const image = behind(pad ?? slices[0], "Transpose", "0,2,3,1")?.inputs[0];
	const rows = new Set(products.map((product) => product?.inputs[0]));
	return rows.size === 1 ? { image, values, slices, pad, firstAxis: 1 } : undefined;
}

/** A product for each sample, of few channels, and the sum of these. */
function productsOfSamples(last: GraphNode, behind: Follow): Products | undefined {
	const sum = behind(behind(behind(last, "Transpose", "0,3,2,1"), "Reshape"), "ReduceSum");
	const product = behind(sum, "MatMul");
	const values = behind(behind(product, "Transpose", "0,1,3,2", 1), "Reshape")?.inputs[0];
	const concat = behind(behind(product, "Reshape"), "Concat");
	const slices = concat?.inputs.map((_, i) => behind(concat, "Slice", undefined, i)) ?? [];
	const pad = behind(slices[0], "Pad");
	const image = (pad ?? slices[0])?.inputs[0];
	return { image, values, slices, pad, firstAxis: 2 };
}
