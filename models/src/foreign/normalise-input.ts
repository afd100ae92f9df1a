import { ConfigError } from "@psgl/sdk";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";

/** What is subtracted from inputs in [0,1] and what they are divided by, for each channel or once for all. */
export interface Normalisation {
	readonly mean: readonly number[];
	readonly std: readonly number[];
}

/** @throws ConfigError `PSGL_NORMALISATION` when the lists do not fit the channels or a deviation is not positive. */
export function checkNormalisation({ mean, std }: Normalisation, channels: number): void {
	const fits = mean.length === std.length && (mean.length === 1 || mean.length === channels);
	if (fits && mean.every(Number.isFinite) && std.every((s) => Number.isFinite(s) && s > 0)) return;
	throw new ConfigError("PSGL_NORMALISATION", {
		what: "the normalisation does not fit the input",
		got: `mean ${mean.join(" ")}; deviation ${std.join(" ")}`,
		expected: `1 or ${channels} of each, deviations above 0`,
		remedy: "Give what training in PyTorch used, for instance --normalise 0.5,0.25 or --normalise 0.49:0.46:0.41,0.25",
	});
}

/** `(x - mean) / std` per channel of x [B,C,...]. */
export function normaliseInput(g: GraphBuilder, x: Value, { mean, std }: Normalisation): Value {
	const perChannel = (values: readonly number[]) =>
		g.floats(values, [values.length, ...new Array<number>(x.shape.length - 2).fill(1)]);
	return g.add("Div", [g.add("Sub", [x, perChannel(mean)]), perChannel(std)]);
}
