import type { TailSettings } from "@psgl/sdk/artifact";
import { int } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { dense } from "../layers/dense.js";
import type { ParameterScope } from "../layers/parameter-scope.js";
import type { ModelDefinition } from "./model-definition.js";

/** The extent that is only known when a graph runs; as in `model-definition`, which imports this file. */
const batchDim = "B";

/** The input `features` [B,streams,F]: what the streams of the server segment make of smashed data. */
export function featuresInput(g: GraphBuilder, { streams }: ModelDefinition, { features }: TailSettings): Value {
	return g.input("features", "float32", [batchDim, streams.length, features]);
}

/**
 * The device's own end of the network (U-shaped split learning, Vepakomma et al., "Split learning for health", 2018, section 3.2):
 * for each stream a rectifier and one dense layer on its features [B,streams,F]; logits [B,K] of each stream.
 */
export function tailLogits(
	g: GraphBuilder,
	{ streams, classes }: ModelDefinition,
	scope: ParameterScope,
	features: Value,
): readonly Value[] {
	return unstack(g, features).map((own, i) =>
		dense(g, scope.within("tail").within(streams[i] as string), g.add("Relu", [own]), classes.length),
	);
}

/** [B,n,F] into n values [B,F]. */
export function unstack(g: GraphBuilder, stacked: Value): readonly Value[] {
	const count = stacked.shape[1] as number;
	const sizes = new Array<number>(count).fill(1);
	const rows = count === 1 ? [stacked] : g.addMany("Split", [stacked, g.ints(sizes)], count, { axis: int(1) });
	return rows.map((row) => g.add("Squeeze", [row, g.ints([1])]));
}

/** n values [B,F] into [B,n,F]. */
export function stack(g: GraphBuilder, values: readonly Value[]): Value {
	const rows = values.map((value) => g.add("Unsqueeze", [value, g.ints([1])]));
	return rows.length === 1 ? (rows[0] as Value) : g.add("Concat", rows, { axis: int(1) });
}
