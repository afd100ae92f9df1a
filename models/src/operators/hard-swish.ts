import { numberLike } from "./constants.js";
import { likeFirstInput } from "./elementwise.js";
import { type Operator, requiredInput } from "./operator.js";

/** x times x / 6 + 1/2 cut to [0, 1] (Howard et al., "Searching for MobileNetV3", 2019). */
export const hardSwish: Operator = {
	type: "HardSwish",
	since: 14,
	infer: likeFirstInput,
	// The slopes at -3 and 3 are PyTorch's: that of the parabola.
	backward(g, node, [gradient]) {
		if (gradient === undefined) return [];
		const x = requiredInput(node, 0);
		const number = (value: number) => numberLike(g, gradient, value);
		const slope = g.add("Add", [g.add("Mul", [x, number(1 / 3)]), number(0.5)]);
		const below = g.add("Less", [x, number(-3)]);
		const above = g.add("Greater", [x, number(3)]);
		return [g.add("Where", [below, number(0), g.add("Where", [above, gradient, g.add("Mul", [gradient, slope])])])];
	},
};
