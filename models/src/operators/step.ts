import { float } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";

/**
 * A slope with which HardSigmoid is a step: it takes every normal float32 other than 0 to 0 and below or 1 and above, where it is cut
 * off. One pass on all threads; ONNX Runtime computes Sign number by number and the Cast of a comparison on one thread.
 */
export const steepest = 3e38;

/** 1 where a value is above 0, 0 elsewhere. Constant in between: no gradient flows through it. */
export const aboveZero = (g: GraphBuilder, value: Value): Value => step(g, value, 0);

/** 1 where a value is 0 or above, 0 elsewhere, likewise. */
export const notBelowZero = (g: GraphBuilder, value: Value): Value => step(g, value, 1);

const step = (g: GraphBuilder, value: Value, atZero: 0 | 1) =>
	g.add("HardSigmoid", [value], { alpha: float(steepest), beta: float(atZero) });
