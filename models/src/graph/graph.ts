import type { DType, Tensor } from "@psgl/sdk";
import type { Attributes } from "./attribute.js";

/** One extent of a shape. A name stands for an extent only known at run time, as the batch is. */
export type Dim = number | string;
export type Shape = readonly Dim[];

export interface ValueType {
	readonly dtype: DType;
	readonly shape: Shape;
}

/** A tensor in a graph, known by its name. */
export interface Value extends ValueType {
	readonly name: string;
}

export interface Node {
	/** ONNX operator type, for instance `Conv`. */
	readonly type: string;
	readonly name: string;
	/** `undefined` where an optional input is left out. */
	readonly inputs: readonly (Value | undefined)[];
	/** `undefined` where an optional output is left out. */
	readonly outputs: readonly (Value | undefined)[];
	readonly attributes: Attributes;
	/** Of an operator psgl has no rules for: types of the outputs as a file declares them. It runs, but has no derivative. */
	readonly declared?: readonly ValueType[];
}

/** An ONNX graph: nodes in an order in which they can run. */
export interface Graph {
	readonly name: string;
	readonly inputs: readonly Value[];
	readonly outputs: readonly Value[];
	readonly initializers: ReadonlyMap<string, Tensor>;
	readonly nodes: readonly Node[];
}

/** The opset all graphs are built in; imported models are brought to it. */
export const opset = 18;

export function formatShape(shape: Shape): string {
	return `[${shape.join(",")}]`;
}

/** The extents as numbers, or undefined when one is only known at run time. */
export function staticShape(shape: Shape): readonly number[] | undefined {
	return shape.every((d) => typeof d === "number") ? (shape as readonly number[]) : undefined;
}
