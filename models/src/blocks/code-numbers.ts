import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { batchNormalisation } from "../layers/batch-normalisation.js";
import { dense } from "../layers/dense.js";
import type { ParameterScope } from "../layers/parameter-scope.js";

/**
 * The numbers of a code from the k outputs of a network: batch normalisation without scale and bias spreads each over the
 * levels, tanh keeps it in (-1,1). [B,k] -> [B,k].
 */
export function codeNumbers(g: GraphBuilder, scope: ParameterScope, outputs: Value): Value {
	const channels = [outputs.shape[1] as number];
	const mean = scope.statistic("mean", channels, { kind: "constant", value: 0 });
	const variance = scope.statistic("variance", channels, { kind: "constant", value: 1 });
	const scale = g.floats(new Float32Array(channels[0] as number).fill(1));
	const bias = g.floats(new Float32Array(channels[0] as number));
	const result = batchNormalisation(g, outputs, { scale, bias, mean, variance }, { training: scope.training });
	if (scope.training) {
		scope.updateStatistic("mean", result.nextMean);
		scope.updateStatistic("variance", result.nextVariance);
	}
	return g.add("Tanh", [result.y]);
}

/** Width of the two hidden layers between a code and class scores. */
const hidden = 64;

/** Class scores [B,classes] of the levels of a code [B,k]: three dense layers, on the device as local head and in each stream. */
export function codeHead(g: GraphBuilder, scope: ParameterScope, levels: Value, classes: number): Value {
	const first = g.add("Relu", [dense(g, scope.within("dense1"), levels, hidden)]);
	const second = g.add("Relu", [dense(g, scope.within("dense2"), first, hidden)]);
	return dense(g, scope.within("dense3"), second, classes);
}
