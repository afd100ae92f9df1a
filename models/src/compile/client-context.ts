import { packClientInput } from "../blocks/reversible-downsampling.js";
import { perturb } from "../blocks/saliency-map.js";
import { GraphBuilder } from "../graph/builder.js";
import type { Shape, Value } from "../graph/graph.js";
import { type BoundSegment, bindSegment, type DropoutSeed } from "../layers/parameter-scope.js";
import { batchDim, type ModelDefinition, type ModelLayout } from "./model-definition.js";

/** The inputs all client graphs share. */
export interface ClientContext {
	readonly g: GraphBuilder;
	readonly definition: ModelDefinition;
	readonly client: BoundSegment;
	readonly head: BoundSegment;
	/** [B,C,...] in [0,1], or as `arrangedSamples` holds it. */
	readonly x: Value;
	readonly params: Value;
	readonly headParams: Value;
}

/** Declares the inputs of a client graph. */
export function clientContext(
	name: string,
	definition: ModelDefinition,
	layout: ModelLayout,
	shape: Shape = [batchDim, ...definition.inputShape],
): ClientContext {
	const g = new GraphBuilder(name);
	const x = g.input("x", "float32", shape);
	const params = g.input("params", "float32", [layout.client.params.length]);
	const stats = g.input("stats", "float32", [layout.client.stats.length]);
	const headParams = g.input("head", "float32", [layout.head.params.length]);
	const noStats = g.floats([]);
	return {
		g,
		definition,
		client: bindSegment(g, layout.client, params, stats),
		head: bindSegment(g, layout.head, headParams, noStats),
		x,
		params,
		headParams,
	};
}

/** The input `dropoutSeed`, int64 [], which only the graphs of a client segment with dropout have. */
export function dropoutSeed(g: GraphBuilder): DropoutSeed {
	let seed: Value | undefined;
	return () => {
		seed ??= g.input("dropoutSeed", "int64", []);
		return seed;
	};
}

/** Adds the map, keeps the sum inside [0,1] and packs it as the client segment takes it. */
export function clientInput(g: GraphBuilder, definition: ModelDefinition, x: Value, map: Value | undefined): Value {
	const perturbed = map === undefined ? x : perturb(g, x, map);
	return definition.packing === "none" ? perturbed : packClientInput(g, perturbed, map);
}
