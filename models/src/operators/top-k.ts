import { int, string } from "../graph/attribute.js";
import { axisAttribute } from "./axes.js";
import { zerosLike } from "./constants.js";
import { constantInts, type Operator, requiredInput, shapeMismatch } from "./operator.js";

/** The K largest elements along an axis (or smallest), and their places int64. */
export const topK: Operator = {
	type: "TopK",
	limits: "constant K",
	infer(node) {
		const { dtype, shape } = requiredInput(node, 0);
		const axis = axisAttribute(node, -1);
		const [count = 0] = constantInts(node, 1);
		const extent = shape[axis];
		if (count < 1 || (typeof extent === "number" && count > extent)) {
			throw shapeMismatch(node, `K from 1 to the extent of axis ${axis}, not ${count}`);
		}
		const taken = shape.map((d, i) => (i === axis ? count : d));
		return [
			{ dtype, shape: taken },
			{ dtype: "int64", shape: taken },
		];
	},
	backward(g, node, [gradient]) {
		if (gradient === undefined) return [];
		const axis = int(axisAttribute(g.context(node), -1));
		const zeros = zerosLike(g, requiredInput(node, 0));
		return [g.add("ScatterElements", [zeros, node.outputs[1], gradient], { axis, reduction: string("add") })];
	},
};
