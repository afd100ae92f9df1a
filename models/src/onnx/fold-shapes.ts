import { type Attributes, intsAttribute, numberAttribute } from "../graph/attribute.js";
import type { Dim } from "../graph/graph.js";
import { divideDims, multiplyDims } from "../operators/symbolic.js";
import { dataType } from "./data-type.js";

/** An integer tensor of at most one axis whose values are known before the graph runs, some by name only. */
export interface KnownIntegers {
	/** [] or [length] */
	readonly dims: readonly number[];
	readonly values: readonly Dim[];
}

type Fold = (inputs: readonly KnownIntegers[], attributes: Attributes) => KnownIntegers | undefined;

const scalar = (value: Dim): KnownIntegers => ({ dims: [], values: [value] });
const vector = (values: readonly Dim[]): KnownIntegers => ({ dims: [values.length], values });

/** Element by element; one of the two may be a single value. */
const pairwise =
	(combine: (a: Dim, b: Dim) => Dim | undefined): Fold =>
	([a, b]) => {
		if (a === undefined || b === undefined) return undefined;
		const longer = a.dims.length >= b.dims.length && a.values.length >= b.values.length ? a : b;
		const values = longer.values.map((_, i) => combine(pick(a, i), pick(b, i)));
		return values.includes(undefined) ? undefined : { dims: longer.dims, values: values as Dim[] };
	};

const pick = ({ values }: KnownIntegers, i: number): Dim => values[values.length === 1 ? 0 : i] ?? 0;

const numeric =
	(combine: (a: number, b: number) => number) =>
	(a: Dim, b: Dim): Dim | undefined =>
		typeof a === "number" && typeof b === "number" ? combine(a, b) : undefined;

const same: Fold = ([x]) => x;

/** How exporters compute shapes: what each operator does to known integers. */
const folds: Readonly<Record<string, Fold>> = {
	Identity: same,
	// To a number with a fraction it is no integer any more.
	Cast: ([x], attributes) => {
		const to = numberAttribute(attributes, "to", dataType.float32);
		return to === dataType.int64 || to === dataType.int32 || to === dataType.bool ? x : undefined;
	},
	Add: pairwise(numeric((a, b) => a + b)),
	Sub: pairwise(numeric((a, b) => a - b)),
	Mul: pairwise((a, b) => multiplyDims([a, b])),
	Div: pairwise((a, b) => (typeof a === "number" && typeof b === "number" ? Math.trunc(a / b) : divideDims([a], [b]))),
	// A named extent is none of the marks (-1, 0) it is compared with.
	Equal: pairwise((a, b) => (a === b ? 1 : 0)),
	Where: ([condition, a, b]) => {
		if (condition === undefined || a === undefined || b === undefined) return undefined;
		const length = Math.max(condition.values.length, a.values.length, b.values.length);
		const values = Array.from({ length }, (_, i) => (pick(condition, i) === 1 ? pick(a, i) : pick(b, i)));
		return condition.dims.length + a.dims.length + b.dims.length === 0 ? scalar(values[0] as Dim) : vector(values);
	},
	Concat: (inputs) => vector(inputs.flatMap((x) => x.values)),
	Unsqueeze: ([x]) => x && vector(x.values),
	Squeeze: ([x]) => (x?.values.length === 1 ? scalar(x.values[0] as Dim) : x),
	Reshape: ([x, shape]) => (x && shape?.values.length === 0 ? scalar(x.values[0] as Dim) : x && vector(x.values)),
	ReduceProd: ([x], attributes) => {
		if (x === undefined) return undefined;
		const product = multiplyDims(x.values);
		return numberAttribute(attributes, "keepdims", 1) === 1 ? vector([product]) : scalar(product);
	},
	Gather: ([x, indices]) => {
		if (x === undefined || indices === undefined) return undefined;
		const values = indices.values.map((i) => x.values.at(Number(i)) ?? 0);
		return { dims: indices.dims, values };
	},
	Slice: ([x, starts, ends, , steps]) => {
		const step = Number(steps?.values[0] ?? 1);
		if (x === undefined || starts === undefined || ends === undefined || step !== 1) return undefined;
		return vector(x.values.slice(Number(starts.values[0]), Number(ends.values[0])));
	},
	ConstantOfShape: ([shape], attributes) => {
		if (shape === undefined || shape.values.length > 1) return undefined;
		const value = attributes.value;
		const fill = value?.type === "tensor" ? Number(value.value.data[0]) : 0;
		const length = Number(shape.values[0] ?? 1);
		return Number.isInteger(fill) && !Number.isNaN(length)
			? { dims: shape.values.length === 0 ? [] : [length], values: new Array(length).fill(fill) }
			: undefined;
	},
};

/**
 * What a node makes of known integers, or undefined where it is none of the operators that shapes are computed
 * with. Split in any axes but the first is not: these tensors have one.
 */
export function foldIntegers(
	type: string,
	inputs: readonly KnownIntegers[],
	attributes: Attributes,
): KnownIntegers | undefined {
	const axes = intsAttribute(attributes, "axes");
	return axes !== undefined && axes.length > 1 ? undefined : folds[type]?.(inputs, attributes);
}

/** The extents a `Shape` node gives. */
export function foldShape(shape: readonly Dim[], attributes: Attributes): KnownIntegers {
	const end = attributes.end === undefined ? shape.length : numberAttribute(attributes, "end", shape.length);
	return vector(shape.slice(numberAttribute(attributes, "start", 0), end));
}
