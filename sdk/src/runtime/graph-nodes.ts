import { onnx } from "./onnx-fields.js";
import { type Field, fieldsOf, varintsIn } from "./protobuf.js";

/** A node of a graph as a file has it. */
export interface GraphNode {
	readonly type: string;
	/** Empty for standard operators. */
	readonly domain: string;
	readonly inputs: readonly string[];
	readonly outputs: readonly string[];
	/** Attributes of whole numbers: one, or a list. */
	readonly attributes: ReadonlyMap<string, readonly number[]>;
}

/** What a node, a field of a graph, says. */
export function nodeOf({ content }: Field): GraphNode {
	const { node, attribute } = onnx;
	const fields = fieldsOf(content);
	const texts = (number: number) => fields.filter((one) => one.number === number).map(textOf);
	const attributes = new Map<string, readonly number[]>();
	for (const one of fields) {
		if (one.number !== node.attribute) continue;
		const parts = fieldsOf(one.content);
		const name = parts.find(({ number }) => number === attribute.name);
		const single = parts.filter(({ number }) => number === attribute.i).map(({ value }) => value);
		const list = parts.filter(({ number }) => number === attribute.ints);
		const values = list.flatMap((each) => (each.content.length === 0 ? [each.value] : varintsIn(each.content)));
		if (name !== undefined) attributes.set(textOf(name), list.length > 0 ? values : single);
	}
	const [type = ""] = texts(node.opType);
	const [domain = ""] = texts(node.domain);
	return { type, domain, inputs: texts(node.input), outputs: texts(node.output), attributes };
}

/** Constants of a graph that are vectors of 64-bit whole numbers with their bytes in one piece, by name. */
export function wholeNumbersIn(fields: readonly Field[]): ReadonlyMap<string, readonly number[]> {
	const { tensor } = onnx;
	const constants = new Map<string, readonly number[]>();
	for (const { number, content } of fields) {
		if (number !== onnx.graph.initializer) continue;
		const parts = fieldsOf(content);
		const name = parts.find((one) => one.number === tensor.name);
		const type = parts.find((one) => one.number === tensor.dataType)?.value;
		const raw = parts.find((one) => one.number === tensor.rawData)?.content;
		if (name === undefined || raw === undefined || type !== int64 || raw.length > longest) continue;
		constants.set(textOf(name), Array.from(new BigInt64Array(Uint8Array.from(raw).buffer), Number));
	}
	return constants;
}

const int64 = 7;
/** Bytes of the longest vector that says how a node works. */
const longest = 256;

const shapedFields: ReadonlySet<number> = new Set([onnx.graph.input, onnx.graph.output, onnx.graph.valueInfo]);

/** Shapes the file tells, of inputs, outputs and values inside; 0 for an extent that is only known at run time. */
export function shapesIn(fields: readonly Field[]): ReadonlyMap<string, readonly number[]> {
	const shapes = new Map<string, readonly number[]>();
	for (const { number, content } of fields) {
		if (!shapedFields.has(number)) continue;
		const info = fieldsOf(content);
		const name = info.find((one) => one.number === onnx.valueInfo.name);
		const shape = [onnx.valueInfo.type, onnx.type.tensor, onnx.tensorType.shape].reduce<Field | undefined>(
			(outer, inner, i) => (i === 0 ? info : outer && fieldsOf(outer.content))?.find((one) => one.number === inner),
			undefined,
		);
		if (name === undefined || shape === undefined) continue;
		const extents = fieldsOf(shape.content).map(
			(dim) => fieldsOf(dim.content).find((one) => one.number === onnx.dim.value)?.value ?? 0,
		);
		shapes.set(textOf(name), extents);
	}
	return shapes;
}

/** A field's text. */
export const textOf = ({ content }: Field) => new TextDecoder().decode(content);
