import { convolution } from "../layers/convolution.js";
import { dense } from "../layers/dense.js";
import { flatten, maxPool } from "../layers/pooling.js";
import type { SplitNetwork } from "./split-network.js";

/** Two plain convolutions on the device, as in Khowaja et al. (IEEE TNSE 2023); the filter counts 32 and 64 are psgl's. */
export const psglPaper: SplitNetwork = {
	name: "psgl-paper",
	summary: "two plain 3x3 convolutions (32, 64) on the device; convolution (128) and two dense layers a stream",
	spatialAxes: 2,
	rectified: true,
	client(g, scope, x) {
		const first = g.add("Relu", [convolution(g, scope.within("conv1"), x, { outputs: 32, kernel: 3 })]);
		return g.add("Relu", [convolution(g, scope.within("conv2"), maxPool(g, first), { outputs: 64, kernel: 3 })]);
	},
	stream(g, scope, smashed, classes) {
		const features = g.add("Relu", [convolution(g, scope.within("conv"), smashed, { outputs: 128, kernel: 3 })]);
		const hidden = g.add("Relu", [dense(g, scope.within("dense1"), flatten(g, maxPool(g, features)), 128)]);
		return dense(g, scope.within("dense2"), hidden, classes);
	},
};
