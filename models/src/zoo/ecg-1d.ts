import { float } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { convolution } from "../layers/convolution.js";
import { dense } from "../layers/dense.js";
import { normalised } from "../layers/normalised.js";
import type { ParameterScope } from "../layers/parameter-scope.js";
import { flatten, maxPool } from "../layers/pooling.js";
import type { SplitNetwork } from "./split-network.js";

/**
 * One-dimensional network for single heart beats, after Abuadbba et al. (ASIA CCS 2020): two
 * convolutions of width 7 and 5 on the device, one convolution and two dense layers in each stream.
 */
export const ecg1d: SplitNetwork = {
	name: "ecg-1d",
	summary: "signals: two convolutions (width 7 and 5) on the device; convolution and two dense layers a stream",
	spatialAxes: 1,
	rectified: false,
	client(g, scope, x) {
		const first = maxPool(g, block(g, scope.within("conv1"), x, 16, 7));
		return block(g, scope.within("conv2"), first, 32, 5);
	},
	stream(g, scope, smashed, classes) {
		const features = maxPool(g, block(g, scope.within("conv"), smashed, 32, 5));
		const hidden = leakyRelu(g, dense(g, scope.within("dense1"), flatten(g, features), 128));
		return dense(g, scope.within("dense2"), hidden, classes);
	},
};

function block(g: GraphBuilder, scope: ParameterScope, x: Value, outputs: number, kernel: number): Value {
	const y = convolution(g, scope.within("conv"), x, { outputs, kernel, bias: false });
	return leakyRelu(g, normalised(g, scope.within("norm"), y));
}

function leakyRelu(g: GraphBuilder, x: Value): Value {
	return g.add("LeakyRelu", [x], { alpha: float(0.01) });
}
