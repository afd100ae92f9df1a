import { ShapeError, tensor } from "@psgl/sdk";
import { int } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import { formatShape, type Value } from "../graph/graph.js";

/** K of class scores [B,K]. @throws ShapeError `PSGL_LOSS_SHAPE` where it is not known. */
export function classCount(logits: Value): number {
	const classes = logits.shape[1];
	if (logits.shape.length === 2 && typeof classes === "number") return classes;
	throw new ShapeError("PSGL_LOSS_SHAPE", {
		what: "a loss needs one row of class scores a sample",
		got: formatShape(logits.shape),
		expected: "[B,K] with K known",
	});
}

/** float32 [B,K]: 1 at the class index of each sample, else 0. */
export function oneHot(g: GraphBuilder, target: Value, classes: number): Value {
	const onOff = g.constant(tensor("float32", [2], Float32Array.of(0, 1)));
	return g.add("OneHot", [target, g.ints([classes]), onOff], { axis: int(1) });
}

/** Sum [] of a value [B,K]. */
export function sumOfAll(g: GraphBuilder, value: Value): Value {
	return g.add("ReduceSum", [value, g.ints([0, 1])], { keepdims: int(0) });
}
