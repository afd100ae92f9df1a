import { float } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { reshapeTo } from "../operators/reshape.js";

export interface GroupNormalisationParameters {
	/** One number for each channel, or one for each group. */
	readonly scale: Value;
	/** Shaped like `scale`. */
	readonly bias: Value;
	/** Groups the channels are parted in; a divisor of their number. */
	readonly groups: number;
	/** Added to the variance. */
	readonly epsilon: number;
}

/** x [B,C,...] normalised over each group of channels (Wu and He, "Group Normalization", 2018). Same shape as x. */
export function groupNormalisation(
	g: GraphBuilder,
	x: Value,
	{ scale, bias, groups, epsilon }: GroupNormalisationParameters,
): Value {
	const grouped = g.add("Reshape", [x, g.ints([0, groups, -1])]);
	const normalised = (factors: Value, offsets: Value) =>
		reshapeTo(g, g.add("InstanceNormalization", [grouped, factors, offsets], { epsilon: float(epsilon) }), x);
	if (scale.shape[0] === groups) return normalised(scale, bias);
	const filled = (value: number) => g.floats(new Array<number>(groups).fill(value));
	const axes = g.ints(x.shape.slice(2).map((_, i) => i + 1));
	const scaled = g.add("Mul", [normalised(filled(1), filled(0)), g.add("Unsqueeze", [scale, axes])]);
	return g.add("Add", [scaled, g.add("Unsqueeze", [bias, axes])]);
}
