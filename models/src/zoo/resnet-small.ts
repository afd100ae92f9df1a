import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { convolution } from "../layers/convolution.js";
import { dense } from "../layers/dense.js";
import { normalised } from "../layers/normalised.js";
import type { ParameterScope } from "../layers/parameter-scope.js";
import { globalAverage } from "../layers/pooling.js";
import type { SplitNetwork } from "./split-network.js";

/** A small residual network (He et al., CVPR 2016): stem and one basic block on the device, two in each stream. */
export const resnetSmall: SplitNetwork = {
	name: "resnet-small",
	summary:
		"residual network with batch normalisation: stem (16) and a block (32) on the device, two blocks (64) a stream",
	spatialAxes: 2,
	rectified: true,
	client(g, scope, x) {
		const stem = convolution(g, scope.within("stem"), x, { outputs: 16, kernel: 3, bias: false });
		const start = g.add("Relu", [normalised(g, scope.within("norm"), stem)]);
		return basicBlock(g, scope.within("block1"), start, 32, 2);
	},
	stream(g, scope, smashed, classes) {
		const second = basicBlock(g, scope.within("block2"), smashed, 64, 2);
		const third = basicBlock(g, scope.within("block3"), second, 64, 1);
		return dense(g, scope.within("dense"), globalAverage(g, third), classes);
	},
};

/** Two 3x3 convolutions beside a skip connection, which is projected where the size changes. */
function basicBlock(g: GraphBuilder, scope: ParameterScope, x: Value, outputs: number, stride: number): Value {
	const a = convolution(g, scope.within("conv1"), x, { outputs, kernel: 3, stride, bias: false });
	const b = g.add("Relu", [normalised(g, scope.within("norm1"), a)]);
	const c = convolution(g, scope.within("conv2"), b, { outputs, kernel: 3, bias: false });
	const d = normalised(g, scope.within("norm2"), c);
	return g.add("Relu", [g.add("Add", [d, shortcut(g, scope.within("skip"), x, outputs, stride)])]);
}

function shortcut(g: GraphBuilder, scope: ParameterScope, x: Value, outputs: number, stride: number): Value {
	if (stride === 1 && x.shape[1] === outputs) return x;
	const projected = convolution(g, scope.within("conv"), x, { outputs, kernel: 1, stride, padding: 0, bias: false });
	return normalised(g, scope.within("norm"), projected);
}
