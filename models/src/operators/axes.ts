import { intsAttribute, numberAttribute } from "../graph/attribute.js";
import type { Shape, ValueType } from "../graph/graph.js";
import { constantInts, type InferenceContext, requiredInput, shapeMismatch } from "./operator.js";

/** `axis` counted from the front. @throws ShapeError when there is no such axis. */
export function resolveAxis(node: InferenceContext, axis: number, rank: number): number {
	const resolved = axis < 0 ? axis + rank : axis;
	if (resolved < 0 || resolved >= Math.max(rank, 1)) throw shapeMismatch(node, `an input with an axis ${axis}`);
	return resolved;
}

/** The `axis` attribute counted from the front. */
export function axisAttribute(node: InferenceContext, fallback: number): number {
	return resolveAxis(node, numberAttribute(node.attributes, "axis", fallback), requiredInput(node, 0).shape.length);
}

/** Axes given as constant input `index`, ascending; undefined where the input is left out. */
export function axesInput(node: InferenceContext, index: number, rank: number): readonly number[] | undefined {
	if (node.inputs[index] === undefined) return undefined;
	return constantInts(node, index)
		.map((axis) => resolveAxis(node, axis, rank))
		.sort((a, b) => a - b);
}

export interface Reduction {
	readonly axes: readonly number[];
	readonly keepDims: boolean;
	/** Shape with extent 1 along the reduced axes. */
	readonly keptShape: Shape;
	readonly shape: Shape;
}

/** What a Reduce* node (axes as input 1) does to its input's shape. */
export function reduction(node: InferenceContext): Reduction {
	const { shape } = requiredInput(node, 0);
	const keepDims = numberAttribute(node.attributes, "keepdims", 1) === 1;
	const given = axesInput(node, 1, shape.length);
	const none = numberAttribute(node.attributes, "noop_with_empty_axes", 0) === 1 ? [] : shape.map((_, i) => i);
	const axes = given === undefined || given.length === 0 ? none : given;
	const keptShape = shape.map((d, i) => (axes.includes(i) ? 1 : d));
	return { axes, keepDims, keptShape, shape: keepDims ? keptShape : shape.filter((_, i) => !axes.includes(i)) };
}

/** Shape rule of the Reduce* operators: the output is typed like the first input, without the axes in input 1. */
export function likeReduced(node: InferenceContext): readonly ValueType[] {
	return [{ dtype: requiredInput(node, 0).dtype, shape: reduction(node).shape }];
}

/** The `perm` attribute: which input axis each output axis is. Default: back to front. */
export function permutation(node: InferenceContext): readonly number[] {
	const rank = requiredInput(node, 0).shape.length;
	const perm = intsAttribute(node.attributes, "perm") ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
	if (perm.length !== rank || new Set(perm).size !== rank || perm.some((p) => p < 0 || p >= rank)) {
		throw shapeMismatch(node, `a permutation of ${rank} axes, not [${perm.join(",")}]`);
	}
	return perm;
}
