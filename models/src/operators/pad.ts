import { int, stringAttribute } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Dim, Value } from "../graph/graph.js";
import { resolveAxis } from "./axes.js";
import {
	constantInts,
	type InferenceContext,
	noGradient,
	type Operator,
	requiredInput,
	shapeMismatch,
} from "./operator.js";
import { padAxes } from "./pad-axes.js";
import { reversed } from "./slice.js";

/** Padding along one axis; negative values cut. */
interface Padding {
	readonly axis: number;
	readonly extent: number;
	readonly before: number;
	readonly after: number;
}

/** Pad in modes `constant`, `edge` and `reflect`, with constant pads. */
export const pad: Operator = {
	type: "Pad",
	limits: "modes constant, edge and reflect; constant pads and axes; no gradient to the value",
	infer(node) {
		const { dtype, shape } = requiredInput(node, 0);
		const result: Dim[] = [...shape];
		for (const { axis, extent, before, after } of paddings(node)) result[axis] = extent + before + after;
		return [{ dtype, shape: result }];
	},
	backward(g, node, [gradient], needed) {
		if (gradient === undefined) return [];
		if (needed[2]) throw noGradient(node, 2);
		const parts = paddings(g.context(node));
		switch (stringAttribute(node.attributes, "mode", "constant")) {
			case "edge":
				return [parts.reduce((sum, part) => foldEdge(g, sum, part), gradient)];
			case "reflect":
				return [parts.reduce((sum, part) => foldReflection(g, sum, part), gradient)];
			default: {
				const cut = parts.map(({ axis, before, after }) => ({ axis, before: -before, after: -after }));
				return [padAxes(g, gradient, cut)];
			}
		}
	},
};

function paddings(node: InferenceContext): readonly Padding[] {
	const { shape } = requiredInput(node, 0);
	const mode = stringAttribute(node.attributes, "mode", "constant");
	if (mode !== "constant" && mode !== "edge" && mode !== "reflect") {
		throw shapeMismatch(node, `mode constant, edge or reflect, not ${mode}`);
	}
	const pads = constantInts(node, 1);
	const axes = node.inputs[3] === undefined ? shape.map((_, i) => i) : constantInts(node, 3);
	const result: Padding[] = [];
	axes.forEach((given, i) => {
		const axis = resolveAxis(node, given, shape.length);
		const extent = shape[axis] as Dim;
		const before = pads[i] ?? 0;
		const after = pads[i + axes.length] ?? 0;
		if (before === 0 && after === 0) return;
		if (typeof extent === "string") throw shapeMismatch(node, `a known extent along axis ${axis}`);
		result.push({ axis, extent, before, after });
	});
	return result;
}

function section(g: GraphBuilder, value: Value, axis: number, start: number, end: number): Value {
	return g.add("Slice", [value, g.ints([start]), g.ints([end]), g.ints([axis])]);
}

/** Sums what arrives at the copies of the first and the last element into these. */
function foldEdge(g: GraphBuilder, gradient: Value, { axis, extent, before, after }: Padding): Value {
	const sum = (start: number, end: number) =>
		g.add("ReduceSum", [section(g, gradient, axis, start, end), g.ints([axis])], { keepdims: int(1) });
	if (extent === 1) return sum(0, before + 1 + after);
	const parts = [sum(0, before + 1)];
	if (extent > 2) parts.push(section(g, gradient, axis, before + 1, before + extent - 1));
	parts.push(sum(before + extent - 1, before + extent + after));
	return g.add("Concat", parts, { axis: int(axis) });
}

/** Adds what arrives at the mirrored elements to these: element `i` before the start mirrors element `i`. */
function foldReflection(g: GraphBuilder, gradient: Value, { axis, extent, before, after }: Padding): Value {
	let result = section(g, gradient, axis, before, before + extent);
	const addMirrored = (start: number, count: number, offset: number) => {
		if (count === 0) return;
		const mirrored = reversed(g, section(g, gradient, axis, start, start + count), axis);
		const placed = padAxes(g, mirrored, [{ axis, before: offset, after: extent - offset - count }]);
		result = g.add("Add", [result, placed]);
	};
	addMirrored(0, before, 1);
	addMirrored(before + extent, after, extent - 1 - after);
	return result;
}
