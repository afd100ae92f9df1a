import { type Attributes, int, intsAttribute, numberAttribute } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { compositions } from "./compositions.js";
import type { DropoutTreatment } from "./dropout-rule.js";
import { readBatchNormalization, readLayerNormalization } from "./normalisation-rules.js";
import { readResize } from "./resize-rule.js";

/** A node as it was read, its inputs already brought into the graph. */
export interface ReadNode {
	readonly type: string;
	readonly name: string;
	readonly inputs: readonly (Value | undefined)[];
	readonly outputCount: number;
	readonly attributes: Attributes;
}

/** Versions of the operator set psgl reads. */
export const readableOpsets = { first: 11, last: 21 } as const;

/** A rule for nodes of one type from opsets before `before`, or from all. */
interface Rule {
	readonly before: number;
	readonly apply: (g: GraphBuilder, node: ReadNode) => ReadNode | readonly Value[];
}

const withoutAttributes = (attributes: Attributes, ...names: readonly string[]): Attributes =>
	Object.fromEntries(Object.entries(attributes).filter(([name]) => !names.includes(name)));

/** Moves the integers of an attribute to input 1, where later opsets have them. */
const toInput =
	(name: string) =>
	(g: GraphBuilder, node: ReadNode): ReadNode => {
		const values = intsAttribute(node.attributes, name);
		const attributes = withoutAttributes(node.attributes, name);
		return values === undefined ? node : { ...node, inputs: [node.inputs[0], g.ints(values)], attributes };
	};

/** Before opset 13 all axes from `axis` on are one: a soft-max over a matrix. */
function flattenedSoftmax(g: GraphBuilder, node: ReadNode): ReadNode | readonly Value[] {
	const [x] = node.inputs;
	// Which the operator itself refuses.
	if (x === undefined) return node;
	const rank = x.shape.length;
	const given = numberAttribute(node.attributes, "axis", 1);
	const axis = given < 0 ? given + rank : given;
	if (axis === rank - 1) return { ...node, attributes: { axis: int(axis) } };
	const rows = g.add("Flatten", [x], { axis: int(axis) });
	return [g.add("Reshape", [g.add(node.type, [rows], { axis: int(1) }), g.add("Shape", [x])])];
}

const rules: Readonly<Record<string, Rule>> = {
	Softmax: { before: 13, apply: flattenedSoftmax },
	LogSoftmax: { before: 13, apply: flattenedSoftmax },
	BatchNormalization: { before: Number.POSITIVE_INFINITY, apply: readBatchNormalization },
	LayerNormalization: { before: Number.POSITIVE_INFINITY, apply: readLayerNormalization },
	Resize: { before: Number.POSITIVE_INFINITY, apply: readResize },
	// With the places, by which the backward spreads the gradient.
	TopK: { before: Number.POSITIVE_INFINITY, apply: (_g, node) => ({ ...node, outputCount: 2 }) },
	Squeeze: { before: 13, apply: toInput("axes") },
	Unsqueeze: { before: 13, apply: toInput("axes") },
	ReduceSum: { before: 13, apply: toInput("axes") },
	ReduceMean: { before: 18, apply: toInput("axes") },
	ReduceMax: { before: 18, apply: toInput("axes") },
	ReduceMin: { before: 18, apply: toInput("axes") },
	ReduceProd: { before: 18, apply: toInput("axes") },
	ReduceL1: { before: 18, apply: toInput("axes") },
	ReduceL2: { before: 18, apply: toInput("axes") },
	ReduceLogSum: { before: 18, apply: toInput("axes") },
	ReduceLogSumExp: { before: 18, apply: toInput("axes") },
	ReduceSumSquare: { before: 18, apply: toInput("axes") },
	Split: {
		before: 18,
		apply(g, node) {
			const moved = toInput("split")(g, node);
			if (moved.inputs[1] !== undefined) return moved;
			return { ...moved, attributes: { ...moved.attributes, num_outputs: int(moved.outputCount) } };
		},
	},
	// Opset 19 added `saturate`, which only matters for 8-bit floats.
	Cast: {
		before: Number.POSITIVE_INFINITY,
		apply: (_g, node) => ({ ...node, attributes: withoutAttributes(node.attributes, "saturate") }),
	},
};

/**
 * Brings a node from the opset it was written in to the one psgl builds in.
 * @returns the node as it has to be added, or the values that stand for its outputs
 * @throws ArtifactError `PSGL_ONNX_DROPOUT`
 */
export function normaliseNode(
	g: GraphBuilder,
	node: ReadNode,
	opset: number,
	dropout?: DropoutTreatment,
): ReadNode | readonly Value[] {
	const composition = compositions[node.type];
	if (composition !== undefined) return composition.compose(g, node, dropout);
	const rule = rules[node.type];
	return rule !== undefined && opset < rule.before ? rule.apply(g, node) : node;
}
