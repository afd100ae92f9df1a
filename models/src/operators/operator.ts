import { ArtifactError, ShapeError, type Tensor } from "@psgl/sdk";
import type { Attributes } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import { formatShape, type Node, type Shape, type Value, type ValueType } from "../graph/graph.js";

/** What a shape rule sees of a node. */
export interface InferenceContext {
	readonly name: string;
	readonly type: string;
	readonly inputs: readonly (Value | undefined)[];
	readonly outputCount: number;
	readonly attributes: Attributes;
	/** The value of input `index` where it is a constant. */
	constant(index: number): Tensor | undefined;
	/**
	 * Input `index` read as a shape: the integers of a constant, or what a `Shape` node says about its input.
	 * Undefined where neither is known before the graph runs.
	 */
	shape(index: number): Shape | undefined;
}

/** One ONNX operator: its shape rule and its backward. */
export interface Operator {
	/** ONNX operator type. */
	readonly type: string;
	/** Opset the operator came with, where that is later than the first psgl reads. */
	readonly since?: number;
	/** What of the ONNX operator psgl does not have, for the table of operators. */
	readonly limits?: string;
	/** Types of the outputs. @throws ShapeError naming the node and the shapes that do not fit. */
	infer(context: InferenceContext): readonly ValueType[];
	/**
	 * Adds the nodes that compute the gradient of each input from the gradients of the outputs
	 * (`undefined` for an output nothing depends on). An input may get `undefined`: its gradient is zero.
	 * Inputs for which `needed` is false may be skipped. Left out when the operator has no derivative.
	 */
	backward?(
		g: GraphBuilder,
		node: Node,
		gradients: readonly (Value | undefined)[],
		needed: readonly boolean[],
	): readonly (Value | undefined)[];
}

/** Input `index` of a node, which must be there. @throws ArtifactError `PSGL_OPERATOR_INPUT`. */
export function requiredInput(
	node: { readonly name: string; readonly type: string; readonly inputs: readonly (Value | undefined)[] },
	index: number,
): Value {
	const value = node.inputs[index];
	if (value === undefined) {
		throw new ArtifactError("PSGL_OPERATOR_INPUT", {
			what: `node ${node.name} (${node.type}) lacks an input`,
			got: `${node.inputs.length} inputs`,
			expected: `input ${index}`,
		});
	}
	return value;
}

/** Integer values of a constant input, as shapes, axes and pads are given. @throws ArtifactError `PSGL_OPERATOR_CONSTANT`. */
export function constantInts(context: InferenceContext, index: number): readonly number[] {
	const constant = context.constant(index);
	if (constant === undefined) {
		throw new ArtifactError("PSGL_OPERATOR_CONSTANT", {
			what: `node ${context.name} (${context.type}) takes input ${index} from another node`,
			expected: "a constant, so that shapes are known before the graph runs",
			remedy: "Export the model with constant folding",
		});
	}
	return Array.from(constant.data as ArrayLike<number | bigint>, Number);
}

/** The gradient of an input that psgl cannot differentiate with respect to was asked for. */
export function noGradient(node: { readonly name: string; readonly type: string }, index: number): ArtifactError {
	return new ArtifactError("PSGL_OPERATOR_NO_GRADIENT", {
		what: `node ${node.name} (${node.type}) has no derivative with respect to input ${index}`,
		got: node.name,
		remedy: "Make that input a constant, or cut the model after this node",
	});
}

/** A shape error that names the node and every input shape. */
export function shapeMismatch(
	context: Pick<InferenceContext, "name" | "type" | "inputs">,
	expected: string,
): ShapeError {
	const shapes = context.inputs.map((v) => (v === undefined ? "-" : formatShape(v.shape))).join(" and ");
	return new ShapeError("PSGL_SHAPE_MISMATCH", {
		what: `node ${context.name} (${context.type}) cannot take these shapes`,
		got: shapes,
		expected,
	});
}
