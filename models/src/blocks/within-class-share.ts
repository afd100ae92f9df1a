import { int } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { oneHot, sumOfAll } from "../losses/class-targets.js";

/** Keeps the share finite where all numbers of a batch are equal. */
const tiny = 1e-6;

/**
 * What share of the scatter of a code lies within the classes: the sum of squares around the class means of the batch over
 * that around the mean of the batch, [] in [0,1]. Small means that the code tells little beyond the class. A centre loss
 * (Wen et al., "A discriminative feature learning approach for deep face recognition", ECCV 2016) that cannot be made
 * small by shrinking the code.
 *
 * @param numbers [B,k] before rounding
 * @param target int64 [B]
 */
export function withinClassShare(g: GraphBuilder, numbers: Value, target: Value, classes: number): Value {
	const chosen = oneHot(g, target, classes);
	const counts = g.add("ReduceSum", [chosen, g.ints([0])], { keepdims: int(1) });
	const shares = g.add("Div", [chosen, g.add("Max", [counts, g.scalar(1)])]);
	const means = g.add("MatMul", [g.add("Transpose", [shares]), numbers]);
	const own = g.add("MatMul", [chosen, means]);
	const mean = g.add("ReduceMean", [numbers, g.ints([0])], { keepdims: int(1) });
	const scatter = (centre: Value) => {
		const difference = g.add("Sub", [numbers, centre]);
		return sumOfAll(g, g.add("Mul", [difference, difference]));
	};
	return g.add("Div", [scatter(own), g.add("Max", [scatter(mean), g.scalar(tiny)])]);
}
