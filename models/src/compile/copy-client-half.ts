import type { Tensor } from "@psgl/sdk";
import { type Artifact, artifactGraph, artifactTensor, type Manifest } from "@psgl/sdk/artifact";
import type { GraphBuilder } from "../graph/builder.js";
import type { Graph, Value } from "../graph/graph.js";
import { decodeModel } from "../onnx/read.js";
import { copyGraph, type FlatWeights } from "./copy-graph.js";

/**
 * Adds the client segment of an artifact as it is deployed, weights as constants; its smashed data.
 *
 * @param x [B, ...inputShape] in [0,1]
 * @param map `own`: the device's map; `none`: no map; or a value of the shape of `x` to add instead of it. Of no account
 * where the model has no map.
 */
export function copyClientHalf(g: GraphBuilder, artifact: Artifact, x: Value, map: "own" | "none" | Value): Value {
	const { manifest } = artifact;
	const client = decodeModel(artifactGraph(artifact, "client/infer"));
	const given = new Map([["x", x]]);
	if (manifest.map !== null) given.set("budget", g.scalar(map === "own" ? manifest.map.budget : 0));
	const computed = behind(client, "map");
	if (computed !== undefined && typeof map !== "string") given.set(computed.name, map);
	const known = copyGraph(g, client, {
		given,
		weights: [
			...weightsOf(artifact, "client", manifest.client),
			flat("head", "head", manifest.head.params, artifactTensor(artifact, "client/head")),
		],
		...(computed !== undefined && map === "none" ? { zero: { value: computed.name, like: x } } : {}),
	});
	return known.get("smashed") as Value;
}

/** The value that an output of a graph names. */
function behind(graph: Graph, output: string): Value | undefined {
	const node = graph.nodes.find((n) => n.outputs.some((o) => o?.name === output));
	return node?.type === "Identity" ? node.inputs[0] : undefined;
}

/** Parameters and running statistics of one half. */
export function weightsOf(artifact: Artifact, half: "client" | "server", segment: Manifest["client"]): FlatWeights[] {
	return [
		flat("params", half, segment.params, artifactTensor(artifact, `${half}/params`)),
		flat("stats", half, segment.stats, artifactTensor(artifact, `${half}/stats`)),
	];
}

function flat(
	input: string,
	prefix: string,
	entries: Manifest["client"]["params"],
	vector: Tensor<"float32">,
): FlatWeights {
	return { input, prefix, entries, values: vector.data };
}
