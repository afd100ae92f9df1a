import {
	convolution,
	dense,
	encodeModel,
	GraphBuilder,
	globalAverage,
	type Initialiser,
	maxPool,
	normalised,
	ParameterScope,
	type Value,
} from "@psgl/models";
import { elementCount, seededRandom } from "@psgl/sdk";

/** ResNet-18 (He et al., CVPR 2016) with random weights: [3,64,64] pictures, 10 classes, 11 million weights. */
export function resnet18(): Uint8Array {
	const g = new GraphBuilder("resnet18");
	const random = seededRandom(1);
	const weight = (name: string, shape: readonly number[], initialiser: Initialiser): Value => {
		const draw = () => (initialiser.kind === "uniform" ? (2 * random.uniform() - 1) * initialiser.bound : 0);
		const value = initialiser.kind === "constant" ? () => initialiser.value : draw;
		const data = Float32Array.from({ length: elementCount(shape) }, value);
		return g.constant({ dtype: "float32", dims: shape, data }, name);
	};
	const scope = new ParameterScope(false, weight, weight);
	const input = g.input("input", "float32", ["N", 3, 64, 64]);
	let x = maxPool(g, unit(g, scope.within("stem"), input, 64, 7, 2));
	for (const [stage, outputs] of [64, 128, 256, 512].entries()) {
		x = block(g, scope.within(`stage${stage}.0`), x, outputs, stage === 0 ? 1 : 2);
		x = block(g, scope.within(`stage${stage}.1`), x, outputs, 1);
	}
	g.output("output", dense(g, scope.within("fc"), globalAverage(g, x), 10));
	return encodeModel(g.build());
}

function unit(g: GraphBuilder, scope: ParameterScope, x: Value, outputs: number, kernel: number, stride: number) {
	const y = convolution(g, scope.within("conv"), x, { outputs, kernel, stride, bias: false });
	return g.add("Relu", [normalised(g, scope.within("norm"), y)]);
}

function block(g: GraphBuilder, scope: ParameterScope, x: Value, outputs: number, stride: number): Value {
	const first = unit(g, scope.within("a"), x, outputs, 3, stride);
	const second = convolution(g, scope.within("b"), first, { outputs, kernel: 3, bias: false });
	const projected = () =>
		convolution(g, scope.within("skip"), x, { outputs, kernel: 1, stride, padding: 0, bias: false });
	const same = stride === 1 && x.shape[1] === outputs;
	const shortcut = same ? x : normalised(g, scope.within("skip.norm"), projected());
	return g.add("Relu", [g.add("Add", [normalised(g, scope.within("b.norm"), second), shortcut])]);
}
