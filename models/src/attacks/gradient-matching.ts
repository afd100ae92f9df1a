import { differentiate } from "../autodiff/differentiate.js";
import { int } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";

export interface GradientMatching {
	/** [] sum of the squared differences between the two gradients. */
	readonly distance: Value;
	/** Its gradient with respect to the guessed input, of that shape. */
	readonly gradient: Value;
}

/**
 * One evaluation of deep leakage from gradients (Zhu et al., NeurIPS 2019, Eq. 3): an attacker who saw the gradient of
 * a loss looks for an input that makes the same one. The loss is differentiated once for its gradient and that a second
 * time, all in one graph.
 *
 * @param loss [] of the guessed input `x`
 * @param params what the observed gradient is with respect to
 * @param observed one value for each of `params`, of its shape
 * @param constants values that no gradient flows through
 * @throws ArtifactError `PSGL_OPERATOR_NO_GRADIENT`.
 */
export function gradientMatching(
	g: GraphBuilder,
	loss: Value,
	params: readonly Value[],
	observed: readonly Value[],
	x: Value,
	constants: readonly Value[] = [],
): GradientMatching {
	const gradients = differentiate(g, [{ value: loss }], params, constants);
	const squares = gradients.map((gradient, i) => {
		const seen = observed[i] as Value;
		const difference = gradient === undefined ? seen : g.add("Sub", [gradient, seen]);
		const axes = g.ints([...difference.shape.keys()]);
		return g.add("ReduceSum", [g.add("Mul", [difference, difference]), axes], { keepdims: int(0) });
	});
	const distance = squares.reduce((sum, square) => g.add("Add", [sum, square]));
	const [gradient] = differentiate(g, [{ value: distance }], [x], constants);
	return { distance, gradient: gradient ?? g.add("Sub", [x, x]) };
}
