import type { Tensor } from "@psgl/sdk";
import { type Artifact, artifactGraph, artifactTensor, type Manifest } from "@psgl/sdk/artifact";
import type { GraphBuilder } from "../graph/builder.js";
import type { Graph, Value } from "../graph/graph.js";
import { decodeModel } from "../onnx/read.js";
import { copyGraph, type FlatWeights } from "./copy-graph.js";

export interface ClientHalfOptions {
	/** Flat trained parameters [P] of the client segment; default: the artifact's own, as constants of their shapes. */
	readonly params?: Value;
	/** As in training, by the statistics of the batch; default: as deployed, by the running ones. Nothing is dropped. */
	readonly training?: boolean;
}

/**
 * Adds the client segment of an artifact, weights as constants; its smashed data.
 *
 * @param x [B, ...inputShape] in [0,1]
 * @param map `own`: the device's map; `none`: no map; or a value of the shape of `x` to add instead of it. Of no account
 * where the model has no map.
 */
export function copyClientHalf(
	g: GraphBuilder,
	artifact: Artifact,
	x: Value,
	map: "own" | "none" | Value,
	{ params, training = false }: ClientHalfOptions = {},
): Value {
	const { manifest } = artifact;
	const client = decodeModel(artifactGraph(artifact, training ? "client/forward" : "client/infer"));
	const given = new Map([["x", x]]);
	if (manifest.map !== null) given.set("budget", g.scalar(map === "own" ? manifest.map.budget : 0));
	if (params !== undefined) given.set("params", params);
	for (const { name } of client.inputs) {
		if (name === "delta") given.set(name, g.add("Mul", [x, g.scalar(0)]));
		else if (name === "dropoutSeed") {
			given.set(name, g.constant({ dtype: "int64", dims: [], data: BigInt64Array.of(0n) }));
		}
	}
	const computed = behind(client, "map");
	if (computed !== undefined && typeof map !== "string") given.set(computed.name, map);
	const own = weightsOf(artifact, "client", manifest.client);
	const known = copyGraph(g, client, {
		given,
		weights: [
			...own.filter(({ input }) => !given.has(input)),
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
