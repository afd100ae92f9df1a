import type { Tensor } from "@psgl/sdk";
import type { Graph } from "./graph.js";

/** A node attribute with its ONNX type (integers and floats are told apart on the wire). */
export type Attribute =
	| { readonly type: "int"; readonly value: number }
	| { readonly type: "float"; readonly value: number }
	| { readonly type: "string"; readonly value: string }
	| { readonly type: "tensor"; readonly value: Tensor }
	| { readonly type: "ints"; readonly value: readonly number[] }
	| { readonly type: "floats"; readonly value: readonly number[] }
	| { readonly type: "strings"; readonly value: readonly string[] }
	| {
			readonly type: "graph";
			readonly value: Graph;
			/** How many of the last inputs are values from outside; in a file the graph reads those by their names there. */
			readonly captured: number;
	  };

export type Attributes = Readonly<Record<string, Attribute>>;

export const int = (value: number): Attribute => ({ type: "int", value });
export const float = (value: number): Attribute => ({ type: "float", value });
export const string = (value: string): Attribute => ({ type: "string", value });
export const ints = (value: readonly number[]): Attribute => ({ type: "ints", value });
export const floats = (value: readonly number[]): Attribute => ({ type: "floats", value });

/** The number under `name`, or `fallback` when the node does not have it. */
export function numberAttribute(attributes: Attributes, name: string, fallback: number): number {
	const attribute = attributes[name];
	return attribute?.type === "int" || attribute?.type === "float" ? attribute.value : fallback;
}

/** The integers under `name`, or undefined when the node does not have them. */
export function intsAttribute(attributes: Attributes, name: string): readonly number[] | undefined {
	const attribute = attributes[name];
	return attribute?.type === "ints" ? attribute.value : undefined;
}

/** The text under `name`, or `fallback` when the node does not have it. */
export function stringAttribute(attributes: Attributes, name: string, fallback: string): string {
	const attribute = attributes[name];
	return attribute?.type === "string" ? attribute.value : fallback;
}
