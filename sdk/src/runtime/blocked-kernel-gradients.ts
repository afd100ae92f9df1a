import { type GraphNode, nodeOf } from "./graph-nodes.js";
import { withoutIdleNodes } from "./idle-nodes.js";
import { type KernelGradient, kernelGradientsIn } from "./kernel-gradients-in.js";
import { blockedDomain, intsField, nodeField, onnx } from "./onnx-fields.js";
import { type Field, fieldsOf, joined } from "./protobuf.js";

/** With more places of the window the values of a batch of 32 no longer stay near the processor (docs/performance.md). */
const mostPlaces = 256;

/** With more filters for each of the few channels of an image putting the values into blocks takes longer than the products. */
const mostFiltersPerChannel = 8;

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

function isBetterInBlocks({ shape, samples, places, dilations }: KernelGradient, block: number): boolean {
	const [filters = 0, channels = 0] = shape;
	// A block that few samples do not fill is computed all the same.
	if (samples > 0 && samples < block) return false;
	// Columns of a kernel that lie apart are not rows of pixels and channels without a gap.
	const [, step = 1] = dilations;
	const isFew = channels < block && filters <= mostFiltersPerChannel * channels;
	const isWhole = filters % block === 0 && (channels % block === 0 || isFew) && step === 1;
	return isWhole && places.reduce((a, b) => a * b, 1) <= mostPlaces;
}

/** The nodes in place of the last one, and the constants they take. */
function inBlocks(gradient: KernelGradient, block: number): readonly Uint8Array[] {
	const { image, values, output, shape, extents, places, strides, dilations, padsBegin, padsEnd } = gradient;
	const [filters = 0, channels = 0, ...kernel] = shape;
	const product = (extents: readonly number[]) => extents.reduce((a, b) => a * b, 1);
	const [area, offsets, blocks] = [product(places), product(kernel), filters / block];
	/** Channels side by side: those of a block, or all where they are fewer. */
	const width = Math.min(channels, block);
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
	// The channels of a block as columns, behind each other for each pixel: the convolution's rows are that much longer and fill its registers.
	const asColumns = ([rows = 0, columns = 0]: readonly number[]) => [rows, columns * width];
	const byChannel =
		width < block
			? transpose(image, "by-channel", [0, 2, 3, 1])
			: add("ReorderInput", [image], own("by-channel"), {}, blockedDomain);
	const wide = reshape(byChannel, "wide", [-1, channels / width, ...asColumns(extents)]);
	const exchanged = transpose(wide, "exchanged", [1, 0, 2, 3]);
	const pixels = padded(exchanged, "pixels", [0, 0, ...asColumns(padsBegin), 0], asColumns(padsEnd));
	const picture = add("ReorderInput", [pixels], own("picture"), {}, blockedDomain);
	const whole = padded(values, "whole", [0, 0, 0, 0], [0, 0, 0]);
	// Whole samples first, where filters are several blocks, then the samples and filters of two blocks as one axis: both in a fraction of the
	// time that a Transpose of more axes takes.
	const rows =
		blocks > 1
			? transpose(reshape(whole, "apart", [-1, block, blocks, block * area]), "filters-first", [2, 0, 1, 3])
			: whole;
	const pairs = transpose(reshape(rows, "pairs", [-1, block * block, area]), "places-first", [0, 2, 1]);
	const weights = reshape(pairs, "weights", [filters, -1, ...places]);
	const moved = { strides: dilations, dilations: asColumns(strides) };
	const result = add("Conv", [picture, weights], own("result"), moved, blockedDomain);
	// [C/width,M/block,kernel,width of C,block of M] to [M,C,kernel]
	const results = reshape(result, "result-rows", [channels / width, blocks, offsets * width * block]);
	const planes = reshape(transpose(results, "planes", [1, 0, 2]), "offsets", [-1, offsets, width, block]);
	const byChannels = reshape(transpose(planes, "turned", [0, 2, 1, 3]), "columns", [blocks, channels * offsets, block]);
	const columns = transpose(byChannels, "filters", [0, 2, 1]);
	add("Reshape", [columns, constant("shape", shape)], output);
	return parts;
}
