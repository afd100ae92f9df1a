import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";

export interface GeluOptions {
	/** True: by tanh instead of the error function. */
	readonly approximate: boolean;
}

/**
 * x times the standard normal distribution function (Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016). The
 * exact form is written as ONNX Runtime looks for it: one kernel computes it where nothing reads the steps in between.
 */
export function gelu(g: GraphBuilder, x: Value, { approximate }: GeluOptions): Value {
	const half = (value: Value) => g.add("Mul", [value, g.scalar(0.5)]);
	if (!approximate) {
		const share = g.add("Erf", [g.add("Div", [x, g.scalar(Math.SQRT2)])]);
		return half(g.add("Mul", [x, g.add("Add", [share, g.scalar(1)])]));
	}
	const cubed = g.add("Mul", [g.add("Mul", [x, g.add("Mul", [x, x])]), g.scalar(0.044715)]);
	const share = g.add("Tanh", [g.add("Mul", [g.add("Add", [x, cubed]), g.scalar(Math.sqrt(2 / Math.PI))])]);
	return half(g.add("Mul", [x, g.add("Add", [share, g.scalar(1)])]));
}
