import { nodeOf, textOf } from "./graph-nodes.js";
import { onnx } from "./onnx-fields.js";
import { type Field, fieldsOf } from "./protobuf.js";

/**
 * The fields of a graph without those of the nodes called `candidates`, by their first output, that nobody needs: neither another node,
 * nor a graph inside one, nor the graph's outputs.
 */
export function withoutIdleNodes(fields: readonly Field[], candidates: ReadonlySet<string>): readonly Field[] {
	const used = new Set(fields.filter(({ number }) => number === onnx.graph.output).map(nameOf));
	const kept = fields.toReversed().filter((one) => {
		if (one.number !== onnx.graph.node) return true;
		const { outputs } = nodeOf(one);
		if (candidates.has(outputs[0] ?? "") && !outputs.some((name) => used.has(name))) return false;
		for (const name of readBy(one)) used.add(name);
		return true;
	});
	return kept.reverse();
}

const nameOf = ({ content }: Field) => {
	const name = fieldsOf(content).find(({ number }) => number === onnx.valueInfo.name);
	return name === undefined ? "" : textOf(name);
};

/** Names of what a node reads, the graphs inside it included. */
function readBy(node: Field): readonly string[] {
	const inner = fieldsOf(node.content)
		.filter(({ number }) => number === onnx.node.attribute)
		.flatMap(({ content }) => fieldsOf(content).filter(({ number }) => number === onnx.attribute.graph))
		.flatMap(({ content }) => fieldsOf(content));
	const nodes = inner.filter(({ number }) => number === onnx.graph.node);
	const outputs = inner.filter(({ number }) => number === onnx.graph.output).map(nameOf);
	return [...nodeOf(node).inputs, ...outputs, ...nodes.flatMap(readBy)];
}
