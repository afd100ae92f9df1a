import type { Attributes } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { batchNormalisation } from "./batch-normalisation.js";
import type { ParameterScope } from "./parameter-scope.js";

/**
 * Batch normalisation of [B,C,...] with its scale, bias and running statistics from `scope`.
 * @param windows attributes of MaxPool: the largest of each window is returned, which costs less than to take it afterwards
 */
export function normalised(g: GraphBuilder, scope: ParameterScope, x: Value, windows?: Attributes): Value {
	const channels = [x.shape[1] as number];
	const scale = scope.parameter("scale", channels, { kind: "constant", value: 1 });
	const bias = scope.parameter("bias", channels, { kind: "constant", value: 0 });
	const mean = scope.statistic("mean", channels, { kind: "constant", value: 0 });
	const variance = scope.statistic("variance", channels, { kind: "constant", value: 1 });
	const result = batchNormalisation(g, x, { scale, bias, mean, variance }, { training: scope.training, windows });
	if (scope.training) {
		scope.updateStatistic("mean", result.nextMean);
		scope.updateStatistic("variance", result.nextVariance);
	}
	return result.y;
}
