import { type GraphNode, nodeOf, shapesIn, wholeNumbersIn } from "./graph-nodes.js";
import { withoutIdleNodes } from "./idle-nodes.js";
import { blockedDomain, intsField, nodeField, onnx } from "./onnx-fields.js";
import { type Field, fieldsOf, joined } from "./protobuf.js";

/** With more places of the window the values of a batch of 32 no longer stay near the processor (docs/performance.md). */
const mostPlaces = 256;

/** The gradient of a kernel over two axes where a graph computes it as products over all places of a batch, one for each offset. */
interface KernelGradient {
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

/**
 * The fields of a graph with the gradients of kernels on blocks: as a convolution over the batch, in which samples are channels and
 * channels samples. On ONNX Runtime's kernels for blocks that takes up to a quarter less time than the products that `@psgl/models`
 * makes, and 40 % less on two threads; without such kernels the products are faster.
 * @returns undefined where there is nothing to change
 */
export function withBlockedKernelGradients(fields: readonly Field[], block: number): readonly Field[] | undefined {
	const all = fields.flatMap((one) => (one.number === onnx.graph.node ? [nodeOf(one)] : []));
	const found = kernelGradientsIn(fields, all).filter((gradient) => isBetterInBlocks(gradient, block));
	if (found.length === 0) return undefined;
	const replaced = new Map(found.map((gradient) => [gradient.output, gradient]));
	let at = 0;
	const changed = fields.flatMap((one) => {
		if (one.number !== onnx.graph.node) return [one];
		const [output = ""] = (all[at++] as GraphNode).outputs;
		const gradient = replaced.get(output);
		return gradient === undefined ? [one] : fieldsOf(joined(inBlocks(gradient, block)));
	});
	return withoutIdleNodes(changed, new Set(found.flatMap(({ nodes }) => [...nodes])));
}

function kernelGradientsIn(fields: readonly Field[], all: readonly GraphNode[]): readonly KernelGradient[] {
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
	/** The node behind the first input of another, or behind the one named. */
	const behind = (node: GraphNode | undefined, type: string, perm?: string, input = 0) => {
		const name = node?.inputs[input] ?? "";
		const found = producers.get(name);
		if (found?.type !== type || found.domain !== "") return undefined;
		if (perm !== undefined && found.attributes.get("perm")?.join() !== perm) return undefined;
		nodes.add(name);
		return found;
	};
	const concat = behind(behind(behind(last, "Transpose", "1,2,0"), "Reshape"), "Concat");
	const products = concat?.inputs.map((_, i) => behind(concat, "Gemm", undefined, i)) ?? [];
	const [kernel, offsets] = [shape.slice(2), shape.slice(2).reduce((a, b) => a * b, 1)];
	const values = behind(behind(products[0], "Reshape"), "Transpose", "1,0,2,3")?.inputs[0];
	const slices = products.map((product) => behind(behind(product, "Reshape", undefined, 1), "Slice"));
	const [slice] = slices;
	const pad = behind(slice, "Pad");
	const image = behind(pad ?? slice, "Transpose", "0,2,3,1")?.inputs[0];
	const rows = new Set(products.map((product) => product?.inputs[0]));
	const sources = new Set(slices.map((each) => each?.inputs[0]));
	const isWhole = products.length === offsets && offsets > 1 && rows.size === 1 && sources.size === 1;
	const [samples = 0, , ...extents] = shapes.get(image ?? "") ?? [];
	if (!isWhole || values === undefined || image === undefined || extents.length !== 2) return undefined;
	const [starts, ends, axes, strides] = [1, 2, 3, 4].map((i) => constants.get(slice?.inputs[i] ?? ""));
	const farthest = constants.get(slices.at(-1)?.inputs[1] ?? "");
	const pads = pad === undefined ? [0, 0, 0] : constants.get(pad.inputs[1] ?? "");
	const isKnown = starts?.join() === "0,0" && axes?.join() === "1,2" && !extents.includes(0);
	if (!isKnown || ends === undefined || strides === undefined || !farthest || !pads) return undefined;
	const dilations = kernel.map((extent, i) => (extent === 1 ? 1 : (farthest[i] as number) / (extent - 1)));
	const places = strides.map((stride, i) => Math.floor(((ends[i] as number) - 1) / stride) + 1);
	const padsBegin = pads.slice(1, 3);
	const padsEnd = places.map((count, i) => {
		const covered = ((kernel[i] as number) - 1) * (dilations[i] as number) + 1;
		return (count - 1) * (strides[i] as number) + covered - (extents[i] as number) - (padsBegin[i] as number);
	});
	return { image, values, output, shape, samples, extents, places, strides, dilations, padsBegin, padsEnd, nodes };
}

function isBetterInBlocks({ shape, samples, places, dilations }: KernelGradient, block: number): boolean {
	const [filters = 0, channels = 0] = shape;
	// A block that few samples do not fill is computed all the same.
	if (samples > 0 && samples < block) return false;
	// Columns of a kernel that lie apart are not rows of pixels and channels without a gap.
	const [, step = 1] = dilations;
	const isWhole = filters % block === 0 && channels % block === 0 && step === 1;
	return isWhole && places.reduce((a, b) => a * b, 1) <= mostPlaces;
}

/** The nodes in place of the last one, and the constants they take. */
function inBlocks(gradient: KernelGradient, block: number): readonly Uint8Array[] {
	const { image, values, output, shape, extents, places, strides, dilations, padsBegin, padsEnd } = gradient;
	const [filters = 0, channels = 0, ...kernel] = shape;
	const product = (extents: readonly number[]) => extents.reduce((a, b) => a * b, 1);
	const [area, offsets, blocks] = [product(places), product(kernel), filters / block];
	const parts: Uint8Array[] = [];
	const own = (name: string) => `${output}/blocked/${name}`;
	const constant = (name: string, numbers: readonly number[]) => {
		parts.push(intsField(own(name), numbers));
		return own(name);
	};
	const add = (type: string, inputs: readonly string[], name: string, attributes = {}, domain = "") => {
		parts.push(nodeField(type, inputs, name, attributes, domain));
		return name;
	};
	const reshape = (from: string, name: string, extents: readonly number[]) =>
		add("Reshape", [from, constant(`${name}/shape`, extents)], own(name));
	const transpose = (from: string, name: string, perm: readonly number[]) =>
		add("Transpose", [from], own(name), { perm });
	// Samples to whole blocks; those added are zero.
	const samples = add("Shape", [image], own("samples"), { start: 0, end: 1 });
	const less = add("Sub", [constant("none", [0]), samples], own("less"));
	const rest = add("Mod", [less, constant("block", [block])], own("rest"));
	const padded = (from: string, name: string, before: readonly number[], after: readonly number[]) => {
		const pads = [constant(`${name}/before`, before), rest, constant(`${name}/after`, after)];
		return add("Pad", [from, add("Concat", pads, own(`${name}/pads`), { axis: 0 })], own(name));
	};
	// The channels of a block as columns, block for each pixel: the convolution's rows are that much longer and fill its registers.
	const asColumns = ([rows = 0, columns = 0]: readonly number[]) => [rows, columns * block];
	const byChannel = add("ReorderInput", [image], own("by-channel"), {}, blockedDomain);
	const wide = reshape(byChannel, "wide", [-1, channels / block, ...asColumns(extents)]);
	const exchanged = transpose(wide, "exchanged", [1, 0, 2, 3]);
	const pixels = padded(exchanged, "pixels", [0, 0, ...asColumns(padsBegin), 0], asColumns(padsEnd));
	const picture = add("ReorderInput", [pixels], own("picture"), {}, blockedDomain);
	const whole = padded(values, "whole", [0, 0, 0, 0], [0, 0, 0]);
	const byFilter = add("ReorderInput", [whole], own("by-filter"), {}, blockedDomain);
	const filtersFirst = transpose(reshape(byFilter, "rows", [-1, blocks, area * block]), "filters-first", [1, 0, 2]);
	const apart = reshape(filtersFirst, "apart", [-1, block, area, block]);
	const weights = reshape(transpose(apart, "ordered", [0, 2, 1, 3]), "weights", [filters, -1, ...places]);
	const moved = { strides: dilations, dilations: asColumns(strides) };
	const result = add("Conv", [picture, weights], own("result"), moved, blockedDomain);
	// [C/block,M/block,kernel,block of C,block of M] to [M,C,kernel]
	const rows = reshape(result, "result-rows", [channels / block, blocks, offsets * block * block]);
	const planes = reshape(transpose(rows, "planes", [1, 0, 2]), "offsets", [-1, offsets, block, block]);
	const byChannels = reshape(transpose(planes, "turned", [0, 2, 1, 3]), "columns", [blocks, channels * offsets, block]);
	const columns = transpose(byChannels, "filters", [0, 2, 1]);
	add("Reshape", [columns, constant("shape", shape)], output);
	return parts;
}
