import { dataType } from "@psgl/sdk";
import { type Attributes, intsAttribute, numberAttribute } from "../graph/attribute.js";
import type { Dim } from "../graph/graph.js";
import { isDiscrete } from "../operators/elementwise.js";
import { divideDims, multiplyDims } from "../operators/symbolic.js";

/** An integer tensor whose values are known before the graph runs, some by name only. */
export interface KnownIntegers {
	readonly dims: readonly number[];
	readonly values: readonly Dim[];
	/** Whether they are float32 in the file, as where a size is scaled by a factor; then they may have fractions. */
	readonly isFloat?: boolean;
}

type Fold = (inputs: readonly (KnownIntegers | undefined)[], attributes: Attributes) => KnownIntegers | undefined;

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

/** Number by number, where all are known. */
const rounded =
	(round: (value: number) => number): Fold =>
	([x]) =>
		x?.values.every((v) => typeof v === "number")
			? { dims: x.dims, values: x.values.map((v) => round(Number(v))) }
			: undefined;

const numeric =
	(combine: (a: number, b: number) => number) =>
	(a: Dim, b: Dim): Dim | undefined =>
		typeof a === "number" && typeof b === "number" ? combine(a, b) : undefined;

/** Integers a Range or ConstantOfShape makes at most: positions along one axis. */
const longestVector = 65_536;

const same: Fold = ([x]) => x;

/** How exporters compute shapes: what each operator does to known integers. */
const folds: Readonly<Record<string, Fold>> = {
	Identity: same,
	// Fractions are cut off below, where the result is no float.
	Cast: ([x]) => x,
	Floor: rounded(Math.floor),
	Ceil: rounded(Math.ceil),
	Sqrt: rounded(Math.sqrt),
	Add: pairwise(numeric((a, b) => a + b)),
	Sub: pairwise(numeric((a, b) => a - b)),
	Mul: pairwise((a, b) => multiplyDims([a, b])),
	Div: pairwise((a, b) => (typeof a === "number" && typeof b === "number" ? a / b : divideDims([a], [b]))),
	// With the sign of the divisor, as ONNX has it for integers.
	Mod: pairwise(numeric((a, b) => (b === 0 ? 0 : ((a % b) + b) % b))),
	Range: ([start, limit, delta]) => {
		const [from, to, by] = [start, limit, delta].map((x) => Number(x?.values[0]));
		const count = Math.max(0, Math.ceil(((to ?? 0) - (from ?? 0)) / (by ?? 1)));
		return Number.isInteger(count) && count <= longestVector
			? vector(Array.from({ length: count }, (_, i) => (from ?? 0) + i * (by ?? 1)))
			: undefined;
	},
	// A named extent is none of the marks (-1, 0) it is compared with.
	Equal: pairwise((a, b) => (a === b ? 1 : 0)),
	Where: ([condition, a, b]) => {
		if (condition === undefined || a === undefined || b === undefined) return undefined;
		const length = Math.max(condition.values.length, a.values.length, b.values.length);
		const values = Array.from({ length }, (_, i) => (pick(condition, i) === 1 ? pick(a, i) : pick(b, i)));
		return condition.dims.length + a.dims.length + b.dims.length === 0 ? scalar(values[0] as Dim) : vector(values);
	},
	// An input may be left away in a damaged file.
	Concat: (inputs) => (inputs.includes(undefined) ? undefined : vector(inputs.flatMap((x) => x?.values ?? []))),
	Unsqueeze: ([x]) => x && vector(x.values),
	Squeeze: ([x]) => (x?.values.length === 1 ? scalar(x.values[0] as Dim) : x),
	Reshape: ([x, shape]) => x && shape && reshaped(x, shape.values.map(Number)),
	Transpose: ([x], attributes) => {
		const [rows, columns] = x?.dims ?? [];
		const perm = intsAttribute(attributes, "perm") ?? [1, 0];
		if (x === undefined || perm.join() !== "1,0" || rows === undefined || columns === undefined) return undefined;
		const at = (i: number) => x.values[(i % rows) * columns + Math.floor(i / rows)] as Dim;
		return { dims: [columns, rows], values: x.values.map((_, i) => at(i)) };
	},
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
	Slice: ([x, starts, ends, axes, steps]) => {
		const [extent, ...inner] = x?.dims ?? [];
		const [start, end, axis = 0, step = 1] = [starts, ends, axes, steps].map((v) => v && Number(v.values[0]));
		const several = [starts, ends].some((v) => v?.values.length !== 1);
		const first = axis === 0 || axis === -(inner.length + 1);
		if (x === undefined || extent === undefined || several || !first || Math.abs(step) !== 1) return undefined;
		const size = inner.reduce((product, d) => product * d, 1);
		const rows = Array.from({ length: extent }, (_, i) => x.values.slice(i * size, (i + 1) * size));
		const from = Number(start) < 0 ? Number(start) + extent : Number(start);
		const to = Number(end) < 0 ? Number(end) + extent : Number(end);
		// Backwards the last row is the one behind `to`, or the first where that lies in front of it.
		const taken =
			step > 0 ? rows.slice(Math.max(from, 0), Math.max(to, 0)) : rows.slice(Math.max(to, -1) + 1, from + 1).reverse();
		return { dims: [taken.length, ...inner], values: taken.flat() };
	},
	ConstantOfShape: ([shape], attributes) => {
		if (shape === undefined || shape.values.length > 1) return undefined;
		const value = attributes.value;
		if (value?.type !== "tensor" || isDiscrete({ dtype: value.value.dtype, shape: [] }) === false) return undefined;
		const fill = Number(value.value.data[0]);
		const length = Number(shape.values[0] ?? 1);
		return Number.isInteger(fill) && length >= 0 && length <= longestVector
			? { dims: shape.values.length === 0 ? [] : [length], values: new Array(length).fill(fill) }
			: undefined;
	},
};

function reshaped({ values }: KnownIntegers, shape: readonly number[]): KnownIntegers | undefined {
	const rest = shape.reduce((product, d) => (d === -1 ? product : product * d), 1);
	const dims = shape.map((d) => (d === -1 ? values.length / rest : d));
	const count = dims.reduce((product, d) => product * d, 1);
	// Extents of 0 are copied from the input or mean none: neither comes up in shapes.
	return count === values.length && dims.every((d) => Number.isInteger(d) && d > 0) ? { dims, values } : undefined;
}

/** Operators that also fold tensors of more than one axis. */
const anyRank: ReadonlySet<string> = new Set(["Identity", "Cast", "Reshape", "Slice", "Transpose"]);

/** Whether a Cast makes float32 (true), an integer or boolean (false), or something shapes are not computed in. */
function castsToFloat(attributes: Attributes): boolean | undefined {
	const to = numberAttribute(attributes, "to", 0);
	if (to === dataType.float32) return true;
	return to === dataType.int64 || to === dataType.int32 || to === dataType.bool ? false : undefined;
}

/**
 * What a node makes of known integers, or undefined where it is none of the operators that shapes are computed
 * with. Split in any axes but the first is not: these tensors have one.
 */
export function foldIntegers(
	type: string,
	inputs: readonly (KnownIntegers | undefined)[],
	attributes: Attributes,
): KnownIntegers | undefined {
	const axes = intsAttribute(attributes, "axes");
	if (axes !== undefined && axes.length > 1) return undefined;
	if (!anyRank.has(type) && inputs.some((x) => x !== undefined && x.dims.length > 1)) return undefined;
	const folded = folds[type]?.(inputs, attributes);
	if (folded === undefined) return undefined;
	const isFloat = type === "Cast" ? castsToFloat(attributes) : inputs.some((x) => x?.isFloat);
	if (isFloat === undefined) return undefined;
	const values = folded.values.map((v) => (typeof v === "number" && !isFloat ? Math.trunc(v) : v));
	// A named extent times a fraction is no extent.
	return values.every((v) => typeof v === "number" || !v.includes("."))
		? { dims: folded.dims, values, isFloat }
		: undefined;
}

/** The extents a `Shape` node gives. */
export function foldShape(shape: readonly Dim[], attributes: Attributes): KnownIntegers {
	const end = attributes.end === undefined ? shape.length : numberAttribute(attributes, "end", shape.length);
	return vector(shape.slice(numberAttribute(attributes, "start", 0), end));
}
