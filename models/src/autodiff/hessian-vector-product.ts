import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { zerosLike } from "../operators/constants.js";
import { differentiate } from "./differentiate.js";

/**
 * Hessian-vector product: adds to `g` the nodes that compute `H v`, H the second derivative of a scalar loss with
 * respect to `params`, without H itself: the gradient of `<gradient, v>` (Pearlmutter, Neural Computation 6(1), 1994,
 * by reverse mode twice).
 *
 * @param vector one value for each of `params`, of its shape
 * @returns one value for each of `params`, of its shape
 * @throws ArtifactError `PSGL_OPERATOR_NO_GRADIENT` when a node on the way cannot be differentiated twice;
 * ShapeError `PSGL_GRADIENT_SEED` when `loss` is no scalar, `PSGL_GRADIENT_SHAPE`.
 */
export function hessianVectorProduct(
	g: GraphBuilder,
	loss: Value,
	params: readonly Value[],
	vector: readonly Value[],
): readonly Value[] {
	const gradients = differentiate(g, [{ value: loss }], params);
	const seeds = gradients.flatMap((value, i) => (value === undefined ? [] : [{ value, gradient: vector[i] as Value }]));
	// A parameter the gradient does not depend on, as the last bias under a squared sum of others: its row of H is 0.
	return differentiate(g, seeds, params).map((value, i) => value ?? zerosLike(g, params[i] as Value));
}
