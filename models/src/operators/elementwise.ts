import { ShapeError } from "@psgl/sdk";
import type { Value, ValueType } from "../graph/graph.js";
import { broadcastShapes } from "./broadcast.js";
import { type InferenceContext, requiredInput } from "./operator.js";

/** Shape rule: the output is typed like the first input. */
export function likeFirstInput(node: InferenceContext): readonly ValueType[] {
	const { dtype, shape } = requiredInput(node, 0);
	return [{ dtype, shape }];
}

/** Shape rule: all inputs have one element type and broadcast; so is the output. */
export function broadcastInputs(node: InferenceContext): readonly ValueType[] {
	const values = node.inputs.map((_, i) => requiredInput(node, i));
	const { dtype } = sameDtype(node, values);
	return [
		{
			dtype,
			shape: broadcastShapes(
				node,
				values.map((v) => v.shape),
			),
		},
	];
}

/** Shape rule of comparisons: as `broadcastInputs`, and the output is boolean. */
export function comparedInputs(node: InferenceContext): readonly ValueType[] {
	return broadcastInputs(node).map(({ shape }) => ({ dtype: "bool", shape }));
}

/** The first of `values`. @throws ShapeError `PSGL_DTYPE_MISMATCH` unless all have its element type. */
export function sameDtype(node: { readonly name: string; readonly type: string }, values: readonly Value[]): Value {
	const first = values[0] as Value;
	const other = values.find((v) => v.dtype !== first.dtype);
	if (other !== undefined) {
		throw new ShapeError("PSGL_DTYPE_MISMATCH", {
			what: `node ${node.name} (${node.type}) got inputs of different element types`,
			got: `${first.name} ${first.dtype} and ${other.name} ${other.dtype}`,
			expected: "one element type",
			remedy: "Put a Cast in front of one of them",
		});
	}
	return first;
}

/** Whether integers or booleans, through which no gradient flows. */
export function isDiscrete({ dtype }: ValueType): boolean {
	return dtype !== "float32" && dtype !== "float64" && dtype !== "float16";
}
