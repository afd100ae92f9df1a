import { withBlockedKernelGradients } from "./blocked-kernel-gradients.js";
import { withBlockedMaxima } from "./blocked-maxima.js";
import { nodeOf, shapesIn, wholeNumbersIn } from "./graph-nodes.js";
import { withoutIdleNodes } from "./idle-nodes.js";
import { blockedDomain, importField, intsField, nodeField, onnx } from "./onnx-fields.js";
import { type Field, field, fieldsOf, joined } from "./protobuf.js";
import { type TurnedWeights, turnedWeightsAt } from "./turned-weights.js";

/** With fewer places putting the weights into blocks takes as long as the convolution saves (docs/performance.md). */
const fewestPlaces = 16;

/** Fewer channels than a block are read as they are. With so few numbers under the kernel, 3 channels by 3x3, that is no faster. */
const fewUnderKernel = 27;

/**
 * The model with its convolutions, and the maxima of small images, on blocks of channels. ONNX Runtime's kernels for these take 25 to 55 % less time than its Conv and
 * use all threads also for small images, but ONNX Runtime itself puts only constant weights into blocks, and weights in training are
 * inputs. Changed are convolutions over two axes, in one group, whose weights and image have shapes the file tells.
 * @param block channels of a block on this processor
 * @returns `model` itself where there is nothing to change
 */
export function withBlockedConvolutions(model: Uint8Array, block: number): Uint8Array {
	const fields = fieldsOf(model);
	const graph = fields.find(({ number }) => number === onnx.model.graph);
	if (graph === undefined) return model;
	const changed = changedGraph(fieldsOf(graph.content), block);
	if (changed === undefined) return model;
	const parts = fields.map((one) => (one === graph ? field(onnx.model.graph, changed) : one.bytes));
	return joined([...parts, importField(blockedDomain)]);
}

function changedGraph(given: readonly Field[], block: number): Uint8Array | undefined {
	const fields = withBlockedMaxima(withBlockedKernelGradients(given, block) ?? given, block);
	const shapes = shapesIn(fields);
	const all = fields.flatMap((one) => (one.number === onnx.graph.node ? [nodeOf(one)] : []));
	const producers = new Map(all.map((node) => [node.outputs[0] ?? "", node]));
	const wholeNumbers = wholeNumbersIn(fields);
	const known = new Set<string>();
	const constants: Uint8Array[] = [];
	const replaced = new Set<string>();
	const parts = fields.flatMap((one) => {
		const convolution = one.number === onnx.graph.node ? convolutionOf(one, shapes) : undefined;
		if (convolution === undefined || !isBetterInBlocks(convolution, block)) return [one.bytes];
		const turned = turnedWeightsAt(convolution.weights, convolution.weightExtents, producers, wholeNumbers);
		for (const name of turned?.nodes ?? []) replaced.add(name);
		const { nodes, constants: added } = inBlocks(convolution, turned, block, known);
		constants.push(...added);
		return nodes;
	});
	if (constants.length === 0 && fields === given) return undefined;
	const changed = fieldsOf(joined([...parts, ...constants]));
	return joined(withoutIdleNodes(changed, replaced).map(({ bytes }) => bytes));
}

interface Convolution {
	readonly image: string;
	readonly weights: string;
	readonly bias: string | undefined;
	readonly output: string;
	/** As they are in the file. */
	readonly attributes: readonly Uint8Array[];
	/** [M,C,...kernel] */
	readonly weightExtents: readonly number[];
	/** [C,...spatial]; 0 where an extent is not known. */
	readonly imageExtents: readonly number[];
}

/** What a node's convolution works on; undefined for other nodes, and where the file does not tell the shapes. */
function convolutionOf(node: Field, shapes: ReadonlyMap<string, readonly number[]>): Convolution | undefined {
	const { type, domain, inputs, outputs } = nodeOf(node);
	if (type !== "Conv" || domain !== "") return undefined;
	const [image = "", weights = "", bias = ""] = inputs;
	const [weightExtents, imageExtents] = [shapes.get(weights), shapes.get(image)?.slice(1)];
	const [output] = outputs;
	if (weightExtents === undefined || imageExtents === undefined || output === undefined) return undefined;
	const attributes = fieldsOf(node.content).filter(({ number }) => number === onnx.node.attribute);
	return {
		image,
		weights,
		bias: bias === "" ? undefined : bias,
		output,
		attributes: attributes.map(({ bytes }) => bytes),
		weightExtents,
		imageExtents,
	};
}

function isBetterInBlocks({ weightExtents, imageExtents }: Convolution, block: number): boolean {
	const [filters = 0, channels = 0, ...kernel] = weightExtents;
	const [imageChannels, ...spatial] = imageExtents;
	const product = (extents: readonly number[]) => extents.reduce((a, b) => a * b, 1);
	return (
		kernel.length === 2 &&
		!kernel.includes(0) &&
		// In one group the weights are for all channels of the image.
		channels === imageChannels &&
		filters > 0 &&
		filters % block === 0 &&
		(channels % block === 0 || (channels < block && channels * product(kernel) > fewUnderKernel)) &&
		product(spatial) >= fewestPlaces
	);
}

/** The nodes in place of a Conv, and the constants they take. @param known tensors in blocks already, which are added to */
function inBlocks(
	{ image, weights, bias, output, attributes, weightExtents }: Convolution,
	turned: TurnedWeights | undefined,
	block: number,
	known: Set<string>,
) {
	const [filters = 0, channels = 0, ...kernel] = weightExtents;
	const places = kernel.reduce((a, b) => a * b, 1);
	const nodes: Uint8Array[] = [];
	const constants: Uint8Array[] = [];
	const reshape = (from: string, to: string, extents: readonly number[]) => {
		constants.push(intsField(`${to}/shape`, extents));
		nodes.push(nodeField("Reshape", [from, `${to}/shape`], to));
	};
	const once = (name: string, make: () => void) => {
		if (known.has(name)) return;
		known.add(name);
		make();
	};
	// A few channels are read where they are; weights have no blocks of channels then.
	const whole = channels < block;
	const pixels = whole ? image : `${image}/blocked`;
	if (!whole) once(pixels, () => nodes.push(nodeField("ReorderInput", [image], pixels, {}, blockedDomain)));
	const blocked = `${weights}/blocked`;
	once(blocked, () => {
		if (turned !== undefined && !whole) {
			// All at once, a block of filters after the other.
			reshape(turned.rows, `${blocked}/rows`, [-1, block]);
			constants.push(intsField(`${blocked}/order`, turnedOrder(weightExtents, block)));
			nodes.push(nodeField("Gather", [`${blocked}/rows`, `${blocked}/order`], `${blocked}/ordered`));
			reshape(`${blocked}/ordered`, blocked, weightExtents);
			return;
		}
		// One axis at a time, the filters first: ONNX Runtime takes ten times as long for a Transpose that moves several.
		reshape(weights, `${blocked}/rows`, [filters, channels * places]);
		nodes.push(nodeField("Transpose", [`${blocked}/rows`], `${blocked}/turned`, { perm: [1, 0] }));
		let ordered = `${blocked}/turned`;
		if (filters > block) {
			reshape(ordered, `${blocked}/apart`, [channels * places, filters / block, block]);
			ordered = `${blocked}/filters`;
			nodes.push(nodeField("Transpose", [`${blocked}/apart`], ordered, { perm: [1, 0, 2] }));
		}
		if (!whole) {
			const blocks = (filters / block) * (channels / block);
			reshape(ordered, `${blocked}/channels`, [blocks, block, places, block]);
			ordered = `${blocked}/ordered`;
			nodes.push(nodeField("Transpose", [`${blocked}/channels`], ordered, { perm: [0, 2, 1, 3] }));
		}
		reshape(ordered, blocked, weightExtents);
	});
	const inputs = bias === undefined ? [pixels, blocked] : [pixels, blocked, bias];
	const { node } = onnx;
	const convolution = joined([
		...inputs.map((name) => field(node.input, name)),
		field(node.output, `${output}/blocked-result`),
		field(node.name, `${output}/blocked-result`),
		field(node.opType, "Conv"),
		...attributes,
		field(node.domain, blockedDomain),
	]);
	nodes.push(field(onnx.graph.node, convolution));
	nodes.push(nodeField("ReorderOutput", [`${output}/blocked-result`], output, { channels: filters }, blockedDomain));
	return { nodes, constants };
}

/** Of weights [M,C,...kernel] in blocks, [M/block,C/block,places,block of C,block of M], where each block of M lies in [C,places back to front,M]. */
function turnedOrder([filters = 0, channels = 0, ...kernel]: readonly number[], block: number): readonly number[] {
	const places = kernel.reduce((a, b) => a * b, 1);
	const order: number[] = [];
	for (let m = 0; m < filters / block; m++)
		for (let c = 0; c < channels; c += block)
			for (let place = places - 1; place >= 0; place--)
				for (let i = c; i < c + block; i++) order.push((i * places + place) * (filters / block) + m);
	return order;
}
