import { intsAttribute, numberAttribute } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Node, Value } from "../graph/graph.js";
import { type Operator, shapeMismatch } from "./operator.js";
import { inferPooling, poolingWindow } from "./pooling.js";
import { spreadWindows } from "./spread-windows.js";
import { kernelOffsets, type Window } from "./window.js";

/** Mean of the pixels under the window: [B,C,...] to [B,C,...places] (ONNX AveragePool). */
export const averagePool: Operator = {
	type: "AveragePool",
	limits: "no dilations",
	infer(node) {
		// Opset 19 brought them; psgl builds in 18.
		const dilations = intsAttribute(node.attributes, "dilations");
		if (dilations?.some((d) => d !== 1)) throw shapeMismatch(node, `dilations of 1, not ${dilations.join(",")}`);
		return inferPooling(node);
	},
	backward(g, node, [gradient]) {
		const window = poolingWindow(node);
		const share = g.add("Mul", [gradient as Value, reciprocalCounts(g, node, window)]);
		return [
			spreadWindows(
				g,
				kernelOffsets(window.kernel).map(() => share),
				window,
			),
		];
	},
};

/** One over the number of pixels each place averages: a scalar where all are equal, else [...places]. */
function reciprocalCounts(g: GraphBuilder, node: Node, window: Window): Value {
	const includePads = numberAttribute(node.attributes, "count_include_pad", 0) === 1;
	const perAxis = window.places.map((places, i) =>
		Array.from({ length: places }, (_, place) => pixelsSeen(window, i, place, includePads)),
	);
	const counts = perAxis.reduce<number[]>((all, axis) => all.flatMap((a) => axis.map((b) => a * b)), [1]);
	if (counts.every((count) => count === counts[0])) return g.scalar(1 / (counts[0] as number));
	return g.floats(
		counts.map((count) => 1 / count),
		window.places,
	);
}

/** Pixels one axis of the window averages at `place`: those inside the image, or inside the image and its pads. */
function pixelsSeen(window: Window, axis: number, place: number, includePads: boolean): number {
	const begin = window.padsBegin[axis] as number;
	const first = includePads ? 0 : begin;
	const end = begin + (window.image[axis] as number) + (includePads ? (window.padsEnd[axis] as number) : 0);
	const start = place * (window.strides[axis] as number);
	let seen = 0;
	for (let k = 0; k < (window.kernel[axis] as number); k++) {
		const position = start + k * (window.dilations[axis] as number);
		if (position >= first && position < end) seen++;
	}
	return seen;
}
