import type { GraphBuilder } from "../graph/builder.js";
import type { Dim, Shape, Value } from "../graph/graph.js";
import { resolveAxis } from "./axes.js";
import { constantInts, type InferenceContext, type Operator, requiredInput, shapeMismatch } from "./operator.js";
import { type AxisPads, padAxes } from "./pad-axes.js";
import { reshapeTo } from "./reshape.js";

/** What a Slice takes along one axis: `count` elements from `start` on, `step` apart. */
interface Range {
	readonly axis: number;
	readonly extent: number;
	readonly start: number;
	readonly step: number;
	readonly count: number;
}

/** Slice with constant starts, ends, axes and steps. */
export const slice: Operator = {
	type: "Slice",
	limits: "constant starts, ends, axes and steps",
	infer(node) {
		const { dtype, shape } = requiredInput(node, 0);
		const result: Dim[] = [...shape];
		for (const { axis, count } of ranges(node)) result[axis] = count;
		return [{ dtype, shape: result }];
	},
	backward(g, node, [gradient]) {
		if (gradient === undefined) return [];
		const parts = ranges(g.context(node));
		let spread = gradient;
		const pads: AxisPads[] = [];
		for (const { axis, extent, start, step, count } of parts) {
			if (step < 0) spread = reversed(g, spread, axis);
			spread = spreadOut(g, spread, axis, Math.abs(step));
			const first = step < 0 ? start + (count - 1) * step : start;
			pads.push({ axis, before: first, after: extent - first - count * Math.abs(step) });
		}
		// Where the last step reaches over the end, the padding is negative: Pad cuts there.
		return [padAxes(g, spread, pads)];
	},
};

function ranges(node: InferenceContext): readonly Range[] {
	const { shape } = requiredInput(node, 0);
	const starts = constantInts(node, 1);
	const ends = constantInts(node, 2);
	const axes = node.inputs[3] === undefined ? starts.map((_, i) => i) : constantInts(node, 3);
	const steps = node.inputs[4] === undefined ? starts.map(() => 1) : constantInts(node, 4);
	const result: Range[] = [];
	axes.forEach((given, i) => {
		const axis = resolveAxis(node, given, shape.length);
		const extent = shape[axis] as Dim;
		const [from, to, step] = [starts[i] ?? 0, ends[i] ?? 0, steps[i] ?? 1];
		if (typeof extent === "string") {
			// All of a batch, of whatever size, can be taken; a part of it cannot be checked.
			if (from === 0 && to >= 2 ** 31 - 1 && step === 1) return;
			throw shapeMismatch(node, `a known extent along axis ${axis}`);
		}
		const last = step < 0 ? extent - 1 : extent;
		const low = step < 0 ? -1 : 0;
		const start = Math.min(Math.max(from < 0 ? from + extent : from, 0), last);
		const end = Math.min(Math.max(to < 0 ? to + extent : to, low), extent);
		result.push({ axis, extent, start, step, count: Math.max(0, Math.ceil((end - start) / step)) });
	});
	return result;
}

/** `value` back to front along `axis`. */
export function reversed(g: GraphBuilder, value: Value, axis: number): Value {
	const end = g.ints([-(2 ** 31)]);
	return g.add("Slice", [value, g.ints([-1]), end, g.ints([axis]), g.ints([-1])]);
}

/** Puts `step - 1` zeros behind each element along `axis`. */
function spreadOut(g: GraphBuilder, value: Value, axis: number, step: number): Value {
	if (step === 1) return value;
	const column = g.add("Unsqueeze", [value, g.ints([axis + 1])]);
	const padded = padAxes(g, column, [{ axis: axis + 1, before: 0, after: step - 1 }]);
	const shape: Shape = value.shape.map((d, i) => (i === axis ? (d as number) * step : d));
	return reshapeTo(g, padded, { shape });
}
