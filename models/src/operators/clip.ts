import { sumToShape } from "./broadcast.js";
import { numberLike } from "./constants.js";
import { likeFirstInput } from "./elementwise.js";
import { type Operator, requiredInput } from "./operator.js";

/** Clip with its bounds as inputs 1 and 2. */
export const clip: Operator = {
	type: "Clip",
	infer: likeFirstInput,
	backward(g, node, [gradient], needed) {
		if (gradient === undefined) return [];
		const x = requiredInput(node, 0);
		const zero = numberLike(g, gradient, 0);
		const bound = (index: number, outside: string) => {
			if (!needed[index]) return undefined;
			const limit = requiredInput(node, index);
			return sumToShape(g, g.add("Where", [g.add(outside, [x, limit]), gradient, zero]), limit);
		};
		// Passes where the input is within the bounds, bounds included, as PyTorch: there output equals input.
		const inside = needed[0] && g.add("Where", [g.add("Equal", [x, node.outputs[0]]), gradient, zero]);
		return [inside || undefined, bound(1, "Less"), bound(2, "Greater")];
	},
};
