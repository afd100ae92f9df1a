import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { groupNormalisation } from "./group-normalisation.js";
import type { ParameterScope } from "./parameter-scope.js";

/** Added to the variance, as in PyTorch's GroupNorm. */
const epsilon = 1e-5;

/**
 * Group normalisation of [B,C,...] with its scale and bias from `scope`. It does not look at the other samples of a batch, so a
 * device that holds a single class is normalised as all others are (Hsieh et al., ICML 2020).
 * @param groups divides C
 */
export function groupNormalised(g: GraphBuilder, scope: ParameterScope, x: Value, groups: number): Value {
	const channels = [x.shape[1] as number];
	const scale = scope.parameter("scale", channels, { kind: "constant", value: 1 });
	const bias = scope.parameter("bias", channels, { kind: "constant", value: 0 });
	return groupNormalisation(g, x, { scale, bias, groups, epsilon });
}
