import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { convolution } from "../layers/convolution.js";
import { dense } from "../layers/dense.js";
import { normalised } from "../layers/normalised.js";
import type { ParameterScope } from "../layers/parameter-scope.js";
import { flatten, halving } from "../layers/pooling.js";
import type { SplitNetwork } from "./split-network.js";

/** A small LeNet with batch normalisation: two convolutions on the device, one and two dense layers in each stream. */
export const lenet: SplitNetwork = {
	name: "lenet",
	summary: "two 3x3 convolutions (16, 32) on the device; convolution (64) and two dense layers a stream",
	spatialAxes: 2,
	rectified: true,
	client(g, scope, x) {
		const first = block(g, scope.within("conv1"), x, 16, true);
		return block(g, scope.within("conv2"), first, 32, false);
	},
	stream(g, scope, smashed, classes) {
		const isHalved = Math.min(...(smashed.shape.slice(2) as number[])) >= 4;
		const features = block(g, scope.within("conv"), smashed, 64, isHalved);
		const hidden = g.add("Relu", [dense(g, scope.within("dense1"), flatten(g, features), 64)]);
		return dense(g, scope.within("dense2"), hidden, classes);
	},
};

/** The larger ones of every two pixels along each axis where `isHalved`. */
function block(g: GraphBuilder, scope: ParameterScope, x: Value, outputs: number, isHalved: boolean): Value {
	const y = convolution(g, scope.within("conv"), x, { outputs, kernel: 3, bias: false });
	// Rectified after the maximum: the same, on a quarter of the pixels.
	return g.add("Relu", [normalised(g, scope.within("norm"), y, isHalved ? halving(y) : undefined)]);
}
