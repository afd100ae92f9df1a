import { int } from "../graph/attribute.js";
import { constantInts, type Operator, requiredInput, shapeMismatch } from "./operator.js";
import { multiplyDims } from "./symbolic.js";

/** Repeats the whole of x along its axes, by constant numbers of times. */
export const tile: Operator = {
	type: "Tile",
	limits: "constant repeats",
	infer(node) {
		const { dtype, shape } = requiredInput(node, 0);
		const repeats = constantInts(node, 1);
		if (repeats.length !== shape.length || repeats.some((r) => r < 1)) {
			throw shapeMismatch(node, `a positive number of repeats for each axis, not [${repeats.join(",")}]`);
		}
		return [{ dtype, shape: shape.map((d, i) => multiplyDims([d, repeats[i] as number])) }];
	},
	backward(g, node, [gradient]) {
		if (gradient === undefined) return [];
		const { shape } = requiredInput(node, 0);
		const repeats = constantInts(g.context(node), 1);
		// The copies one after the other on an axis of their own, over which they are summed, the last axis first.
		const sum = repeats.reduceRight((value, count, axis) => {
			if (count === 1) return value;
			const before = shape.slice(0, axis).map(() => 0);
			const dims = [...before, count, ...shape.slice(axis).map((d) => (typeof d === "number" ? d : -1))];
			return g.add("ReduceSum", [g.add("Reshape", [value, g.ints(dims)]), g.ints([axis])], { keepdims: int(0) });
		}, gradient);
		return [sum];
	},
};
