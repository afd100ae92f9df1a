import { castTo, numberLike } from "./constants.js";
import { likeFirstInput } from "./elementwise.js";
import type { Operator } from "./operator.js";

export const relu: Operator = {
	type: "Relu",
	infer: likeFirstInput,
	// Comparing and casting is twice as fast as Sign, which ONNX Runtime computes number by number.
	backward(g, node, [gradient]) {
		const [y] = node.outputs;
		if (gradient === undefined || y === undefined) return [];
		const passed = castTo(g, g.add("Greater", [y, numberLike(g, y, 0)]), y.dtype);
		return [g.add("Mul", [gradient, passed])];
	},
};
