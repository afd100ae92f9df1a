import { float } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { convolution } from "../layers/convolution.js";
import { dense } from "../layers/dense.js";
import { groupNormalised } from "../layers/group-normalised.js";
import { normalised } from "../layers/normalised.js";
import type { ParameterScope } from "../layers/parameter-scope.js";
import { flatten, halving, maxPool } from "../layers/pooling.js";
import type { SplitNetwork } from "./split-network.js";

/** Groups of channels on the device: 2 channels each after the first convolution, 4 after the second. */
const groups = 8;

/**
 * One-dimensional network for single heart beats, after Abuadbba et al. (ASIA CCS 2020): two
 * convolutions of width 7 and 5 on the device, one convolution and two dense layers in each stream. The device normalises
 * each beat by itself: it may well hold a single class, whose batch statistics would not be those of all devices.
 */
export const ecg1d: SplitNetwork = {
	name: "ecg-1d",
	summary:
		"signals: two convolutions (width 7 and 5) with group normalisation on the device; convolution and two dense layers a stream",
	spatialAxes: 1,
	rectified: false,
	client(g, scope, x) {
		const first = maxPool(g, block(g, scope.within("conv1"), x, 16, 7));
		return block(g, scope.within("conv2"), first, 32, 5);
	},
	stream(g, scope, smashed, classes) {
		const y = convolution(g, scope.within("conv").within("conv"), smashed, { outputs: 32, kernel: 5, bias: false });
		const features = leakyRelu(g, normalised(g, scope.within("conv").within("norm"), y, halving(y)));
		const hidden = leakyRelu(g, dense(g, scope.within("dense1"), flatten(g, features), 128));
		return dense(g, scope.within("dense2"), hidden, classes);
	},
};

function block(g: GraphBuilder, scope: ParameterScope, x: Value, outputs: number, kernel: number): Value {
	const y = convolution(g, scope.within("conv"), x, { outputs, kernel, bias: false });
	return leakyRelu(g, groupNormalised(g, scope.within("norm"), y, groups));
}

function leakyRelu(g: GraphBuilder, x: Value): Value {
	return g.add("LeakyRelu", [x], { alpha: float(0.01) });
}
