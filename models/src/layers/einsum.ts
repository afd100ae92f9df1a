import { ShapeError } from "@psgl/sdk";
import { int, ints } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import { type Dim, formatShape, type Value } from "../graph/graph.js";
import { reshapeTo } from "../operators/reshape.js";
import { multiplyDims } from "../operators/symbolic.js";
import { parseEquation } from "./einsum-equation.js";

/** A value and the label of each of its axes. */
interface Labelled {
	readonly value: Value;
	readonly labels: readonly string[];
}

/**
 * Sum of products over labelled axes (ONNX Einsum, numpy.einsum), written as Transpose, MatMul, Mul and ReduceSum:
 * operands are joined from left to right, each label summed as soon as nothing behind needs it.
 *
 * @throws ShapeError `PSGL_EINSUM` when the equation is none, repeats a label in one operand or does not fit the operands
 */
export function einsum(g: GraphBuilder, equation: string, operands: readonly Value[], node = "Einsum"): Value {
	const { inputs, output } = parseEquation(equation, operands, node);
	const extents = labelExtents(equation, operands, inputs, node);
	const labelled = operands.map((value, i): Labelled => ({ value, labels: inputs[i] as readonly string[] }));
	let [joined, ...rest] = labelled as [Labelled, ...Labelled[]];
	while (rest.length > 0) {
		const [next, ...others] = rest as [Labelled, ...Labelled[]];
		const needed = new Set([...output, ...others.flatMap((o) => o.labels)]);
		joined = join(g, joined, next, needed, extents);
		rest = others;
	}
	return arranged(g, summed(g, joined, new Set(output)), output);
}

/** The product of two operands, summed over the labels nothing else needs. */
function join(
	g: GraphBuilder,
	left: Labelled,
	right: Labelled,
	needed: ReadonlySet<string>,
	extents: ReadonlyMap<string, Dim>,
): Labelled {
	const a = summed(g, left, new Set([...needed, ...right.labels]));
	const b = summed(g, right, new Set([...needed, ...left.labels]));
	const both = a.labels.filter((l) => b.labels.includes(l));
	const contracted = both.filter((l) => !needed.has(l));
	const batch = both.filter((l) => needed.has(l));
	const onlyA = a.labels.filter((l) => !both.includes(l));
	const onlyB = b.labels.filter((l) => !both.includes(l));
	const labels = [...batch, ...onlyA, ...onlyB];
	if (contracted.length === 0) {
		const spread = (operand: Labelled) => {
			const own = labels.filter((l) => operand.labels.includes(l));
			const missing = labels.flatMap((l, i) => (operand.labels.includes(l) ? [] : [i]));
			const value = arranged(g, operand, own);
			return missing.length === 0 ? value : g.add("Unsqueeze", [value, g.ints(missing)]);
		};
		return { value: g.add("Mul", [spread(a), spread(b)]), labels };
	}
	const dims = (of: readonly string[]) => of.map((l) => extents.get(l) as Dim);
	const merged = (operand: Labelled, ...groups: readonly (readonly string[])[]) => {
		const value = arranged(g, operand, groups.flat());
		const shape = groups.flatMap((group, i) => (i < groups.length - 2 ? dims(group) : [multiplyDims(dims(group))]));
		return shape.length === value.shape.length ? value : reshapeTo(g, value, { shape });
	};
	// Without a common batch MatMul takes any number of axes in front; merging them could hide the batch's extent.
	const rows = batch.length === 0 && onlyA.length > 0 ? onlyA.slice(0, -1) : batch;
	const product = g.add("MatMul", [
		merged(a, rows, batch.length === 0 ? onlyA.slice(-1) : onlyA, contracted),
		merged(b, batch, contracted, onlyB),
	]);
	const shape = dims(labels);
	return { value: product.shape.length === shape.length ? product : reshapeTo(g, product, { shape }), labels };
}

/** Sums over the axes whose labels are not `kept`. */
function summed(g: GraphBuilder, { value, labels }: Labelled, kept: ReadonlySet<string>): Labelled {
	const axes = labels.flatMap((l, i) => (kept.has(l) ? [] : [i]));
	if (axes.length === 0) return { value, labels };
	const sum = g.add("ReduceSum", [value, g.ints(axes)], { keepdims: int(0) });
	return { value: sum, labels: labels.filter((l) => kept.has(l)) };
}

/** The value with its axes in the order of `labels`. */
function arranged(g: GraphBuilder, { value, labels: given }: Labelled, labels: readonly string[]): Value {
	const perm = labels.map((l) => given.indexOf(l));
	return perm.every((axis, i) => axis === i) ? value : g.add("Transpose", [value], { perm: ints(perm) });
}

function labelExtents(
	equation: string,
	operands: readonly Value[],
	inputs: readonly (readonly string[])[],
	node: string,
): ReadonlyMap<string, Dim> {
	const extents = new Map<string, Dim>();
	operands.forEach(({ shape }, k) => {
		inputs[k]?.forEach((label, axis) => {
			const [known, extent] = [extents.get(label), shape[axis] as Dim];
			if (known === undefined || typeof known === "string") extents.set(label, extent);
			else if (typeof extent === "number" && extent !== known) {
				throw new ShapeError("PSGL_EINSUM", {
					what: `node ${node} (Einsum) gives label ${label} of ${equation} two extents`,
					got: operands.map((o) => formatShape(o.shape)).join(" and "),
					expected: `${known} and ${extent} to be equal`,
				});
			}
		});
	});
	return extents;
}
