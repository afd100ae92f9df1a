import { nodeOf, shapesIn } from "./graph-nodes.js";
import { blockedDomain, nodeField, onnx } from "./onnx-fields.js";
import { type Field, field, fieldsOf, joined } from "./protobuf.js";

/** With more pixels of a sample moving them into blocks takes as long as it saves (docs/performance.md). */
const mostPixels = 4096;

/** Others are left to ONNX Runtime's own kernel. */
const settings: ReadonlySet<string> = new Set(["kernel_shape", "strides", "pads"]);

/**
 * The fields of a graph with its maxima over windows of small images on blocks of channels, whole blocks of them: ONNX Runtime's kernel for
 * blocks takes half to three quarters of the time, moving into blocks and back included, and finds the same.
 * @returns `fields` themselves where there is nothing to change
 */
export function withBlockedMaxima(fields: readonly Field[], block: number): readonly Field[] {
	const shapes = shapesIn(fields);
	const parts = fields.map((one) => {
		const channels = one.number === onnx.graph.node ? channelsOf(one, shapes, block) : undefined;
		return channels === undefined ? one : inBlocks(one, channels);
	});
	return parts.every((part, i) => part === fields[i]) ? fields : parts.flat();
}

/** Channels of the small image whose maxima a node takes; undefined for other nodes. */
function channelsOf(node: Field, shapes: ReadonlyMap<string, readonly number[]>, block: number): number | undefined {
	const { type, domain, inputs, outputs, attributes } = nodeOf(node);
	if (type !== "MaxPool" || domain !== "" || outputs.length > 1) return undefined;
	const [channels = 0, ...spatial] = shapes.get(inputs[0] ?? "")?.slice(1) ?? [];
	const pixels = spatial.reduce((count, extent) => count * extent, channels);
	const isPlain = [...attributes.keys()].every((name) => settings.has(name));
	const isSmall = pixels > 0 && pixels <= mostPixels;
	return isPlain && isSmall && spatial.length === 2 && channels % block === 0 ? channels : undefined;
}

function inBlocks(one: Field, channels: number): readonly Field[] {
	const { inputs, outputs } = nodeOf(one);
	const [[image = ""], [output = ""]] = [inputs, outputs];
	const [pixels, largest] = [`${output}/blocked-image`, `${output}/blocked-maxima`];
	const { node } = onnx;
	const attributes = fieldsOf(one.content).filter(({ number }) => number === node.attribute);
	const maxima = joined([
		field(node.input, pixels),
		field(node.output, largest),
		field(node.name, largest),
		field(node.opType, "MaxPool"),
		...attributes.map(({ bytes }) => bytes),
		field(node.domain, blockedDomain),
	]);
	return fieldsOf(
		joined([
			nodeField("ReorderInput", [image], pixels, {}, blockedDomain),
			field(onnx.graph.node, maxima),
			nodeField("ReorderOutput", [largest], output, { channels }, blockedDomain),
		]),
	);
}
