import { elementCount } from "@psgl/sdk";
import { ints, string } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { convolution } from "../layers/convolution.js";
import { dense } from "../layers/dense.js";
import { normalised } from "../layers/normalised.js";
import type { ParameterScope } from "../layers/parameter-scope.js";
import { flatten } from "../layers/pooling.js";

/** A large decoder has more channels, and a second convolution at every size. */
export type DecoderSize = "small" | "large";

/** Channels of the first layer and after each doubling of the size. */
const channelsBySize = { small: [64, 32, 16], large: [128, 96, 48] } as const;

/** Smashed data of fewer values have no picture-like order to keep: a dense layer lays them out. */
const fewValues = 128;

/**
 * An attacker's decoder: smashed data [B,Cs,...] -> the sample [B, ...shape] in [0,1]. A convolution, transposed
 * convolutions that double the size until it is that of the sample, and a convolution to its channels.
 */
export function decoderNetwork(
	g: GraphBuilder,
	scope: ParameterScope,
	smashed: Value,
	shape: readonly number[],
	size: DecoderSize,
): Value {
	const sizes = shape.slice(1);
	const width = (level: number) => channelsBySize[size][Math.min(level, channelsBySize[size].length - 1)] as number;
	const refined = (v: Value, within: ParameterScope, level: number) =>
		size === "small"
			? v
			: block(g, within, convolution(g, within, v, { outputs: width(level), kernel: 3, bias: false }));
	let x = laidOut(g, scope, smashed, sizes);
	x = block(
		g,
		scope.within("first"),
		convolution(g, scope.within("first"), x, { outputs: width(0), kernel: 3, bias: false }),
	);
	x = refined(x, scope.within("first2"), 0);
	for (let i = 1; needsDoubling(x, sizes); i++) {
		x = block(g, scope.within(`up${i}`), doubled(g, scope.within(`up${i}`), x, width(i)));
		x = refined(x, scope.within(`up${i}.2`), i);
	}
	if (x.shape.slice(2).join() !== sizes.join()) {
		const axes = ints(sizes.map((_, i) => i + 2));
		x = g.add("Resize", [x, undefined, undefined, g.ints(sizes)], { mode: string("linear"), axes });
	}
	const last = convolution(g, scope.within("last"), x, { outputs: shape[0] as number, kernel: 3 });
	return g.add("Sigmoid", [last]);
}

const needsDoubling = (x: Value, sizes: readonly number[]) =>
	sizes.some((size, i) => (x.shape[i + 2] as number) < size);

/** Smashed data with the spatial axes of the sample. */
function laidOut(g: GraphBuilder, scope: ParameterScope, smashed: Value, sizes: readonly number[]): Value {
	const own = smashed.shape.slice(1) as number[];
	if (
		own.length === sizes.length + 1 &&
		elementCount(own) >= fewValues &&
		own.slice(1).every((d, i) => d <= (sizes[i] as number))
	) {
		return smashed;
	}
	const start = sizes.map((size) => Math.ceil(size / 4));
	const channels = 32;
	const flat = dense(g, scope.within("layout"), flatten(g, smashed), channels * elementCount(start));
	return g.add("Reshape", [g.add("Relu", [flat]), g.ints([0, channels, ...start])]);
}

/** Transposed convolution, kernel 4 and stride 2: twice the size. Started as PyTorch does. */
function doubled(g: GraphBuilder, scope: ParameterScope, x: Value, outputs: number): Value {
	const axes = x.shape.length - 2;
	const kernel = new Array<number>(axes).fill(4);
	const inputs = x.shape[1] as number;
	const bound = 1 / Math.sqrt(outputs * 4 ** axes);
	const weight = scope.parameter("weight", [inputs, outputs, ...kernel], { kind: "uniform", bound });
	return g.add("ConvTranspose", [x, weight], {
		kernel_shape: ints(kernel),
		strides: ints(new Array(axes).fill(2)),
		pads: ints(new Array(2 * axes).fill(1)),
	});
}

function block(g: GraphBuilder, scope: ParameterScope, x: Value): Value {
	return g.add("Relu", [normalised(g, scope.within("norm"), x)]);
}
