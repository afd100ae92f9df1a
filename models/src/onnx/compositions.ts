import { int, ints, numberAttribute, stringAttribute } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { einsum } from "../layers/einsum.js";
import { gelu } from "../layers/gelu.js";
import { groupNormalisation } from "../layers/group-normalisation.js";
import { castTo } from "../operators/constants.js";
import { requiredInput, shapeMismatch } from "../operators/operator.js";
import { spatialExtents } from "../operators/window.js";
import { type DropoutTreatment, readDropout } from "./dropout-rule.js";
import type { ReadNode } from "./normalise-opset.js";
import { gruCell, lstmCell, rnnCell } from "./recurrent-cells.js";
import { readRecurrent } from "./recurrent-rule.js";

/** An operator read as several others, because the opset psgl builds in lacks it or ONNX Runtime takes it apart too. */
export interface Composition {
	/** Opset the operator came with, where that is later than the first psgl reads. */
	readonly since?: number;
	/** What of the ONNX operator psgl does not have. */
	readonly limits?: string;
	/** The values that stand for the node's outputs. */
	readonly compose: (g: GraphBuilder, node: ReadNode, dropout: DropoutTreatment | undefined) => readonly Value[];
}

const recurrentLimits = "sequences of one known length, default activations";

/** Compositions by operator type. */
export const compositions: Readonly<Record<string, Composition>> = {
	CastLike: {
		since: 15,
		compose: (g, node) => [castTo(g, requiredInput(node, 0), requiredInput(node, 1).dtype)],
	},
	Dropout: {
		limits: "constant ratio below 1; in training mode by a seed, see `importModel`",
		compose: readDropout,
	},
	Einsum: {
		since: 12,
		limits: "no label twice in one operand",
		compose(g, node) {
			const operands = node.inputs.map((_, i) => requiredInput(node, i));
			return [einsum(g, stringAttribute(node.attributes, "equation", ""), operands, node.name)];
		},
	},
	Gelu: {
		since: 20,
		compose(g, node) {
			const approximate = stringAttribute(node.attributes, "approximate", "none") === "tanh";
			return [gelu(g, requiredInput(node, 0), { approximate })];
		},
	},
	GlobalMaxPool: {
		compose(g, node) {
			const extents = spatialExtents(node, requiredInput(node, 0).shape);
			return [g.add("MaxPool", node.inputs, { kernel_shape: ints(extents) })];
		},
	},
	GroupNormalization: {
		since: 18,
		compose(g, node) {
			const [x, scale, bias] = [0, 1, 2].map((i) => requiredInput(node, i)) as [Value, Value, Value];
			const groups = numberAttribute(node.attributes, "num_groups", 1);
			const epsilon = numberAttribute(node.attributes, "epsilon", 1e-5);
			const channels = x.shape[1];
			// Per group up to opset 20, per channel from opset 21 on; where both are one number, they mean the same.
			const vectors = typeof channels === "number" && x.shape.length > 2 ? [groups, channels] : [];
			const fits = [scale, bias].every(({ shape }) => shape.length === 1 && vectors.includes(shape[0] as number));
			if (!fits || scale.shape[0] !== bias.shape[0] || Number(channels) % groups !== 0) {
				throw shapeMismatch(node, `x [B,C,...] with C a multiple of ${groups}, scale and bias [${groups}] or [C]`);
			}
			return [groupNormalisation(g, x, { scale, bias, groups, epsilon })];
		},
	},
	GRU: { limits: recurrentLimits, compose: (g, node) => readRecurrent(g, node, gruCell) },
	LpNormalization: {
		limits: "p 1 or 2",
		compose(g, node) {
			const x = requiredInput(node, 0);
			const type = numberAttribute(node.attributes, "p", 2) === 1 ? "ReduceL1" : "ReduceL2";
			const axis = g.ints([numberAttribute(node.attributes, "axis", -1)]);
			return [g.add("Div", [x, g.add(type, [x, axis], { keepdims: int(1) })])];
		},
	},
	LSTM: { limits: recurrentLimits, compose: (g, node) => readRecurrent(g, node, lstmCell) },
	RNN: {
		limits: "sequences of one known length, activations Tanh or Relu",
		compose: (g, node) => readRecurrent(g, node, rnnCell),
	},
	Mean: {
		compose: (g, node) => [g.add("Mul", [sumOf(g, node), g.scalar(1 / node.inputs.length)])],
	},
	Mish: {
		since: 18,
		compose(g, node) {
			const x = requiredInput(node, 0);
			return [g.add("Mul", [x, g.add("Tanh", [g.add("Softplus", [x])])])];
		},
	},
	Sum: {
		compose: (g, node) => [sumOf(g, node)],
	},
};

const sumOf = (g: GraphBuilder, node: ReadNode): Value =>
	node.inputs.map((_, i) => requiredInput(node, i)).reduce((sum, value) => g.add("Add", [sum, value]));
