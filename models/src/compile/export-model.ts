import { ArtifactError } from "@psgl/sdk";
import { type Artifact, artifactGraph } from "@psgl/sdk/artifact";
import { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { decodeModel } from "../onnx/read.js";
import { encodeModel } from "../onnx/write.js";
import { copyClientHalf, weightsOf } from "./copy-client-half.js";
import { copyGraph } from "./copy-graph.js";
import { batchDim } from "./model-definition.js";

export interface ExportOptions {
	/** The decision of all streams (default), or one stream alone. */
	readonly stream?: "fused" | "A" | "R" | "F";
	/** Whether the device's saliency map stays on the input, as it is deployed. Default: it is left away. */
	readonly withMap?: boolean;
}

/**
 * Both halves of a joint artifact as one ONNX file for plain inference: input `x` [B,C,...] in [0,1]; output
 * `probabilities` [B,K] and in front of it, where one stream decides alone, its `logits`. Normalisation, packing and
 * recovery are part of it; weights are initialisers named as the layouts of the manifest have them.
 *
 * @throws ArtifactError `PSGL_ARTIFACT_MEMBER` for a client half, `PSGL_EXPORT_STREAM` for a stream the model lacks
 */
export function exportModel(artifact: Artifact, { stream = "fused", withMap = false }: ExportOptions = {}): Uint8Array {
	const { manifest } = artifact;
	const server = decodeModel(artifactGraph(artifact, "server/infer"));
	const row = stream === "fused" ? manifest.streams.length : manifest.streams.indexOf(stream);
	if (row < 0 || manifest.server === null) {
		throw new ArtifactError("PSGL_EXPORT_STREAM", {
			what: "the model has no such stream",
			got: stream,
			expected: ["fused", ...manifest.streams].join(", "),
		});
	}
	const g = new GraphBuilder(manifest.name);
	const x = g.input("x", "float32", [batchDim, ...manifest.inputShape]);
	const smashed = copyClientHalf(g, artifact, x, withMap ? "own" : "none");
	const known = copyGraph(g, server, {
		given: new Map([["smashed", smashed]]),
		weights: weightsOf(artifact, "server", manifest.server),
	});
	// One stream decides alone where there is no other, too.
	const alone = stream === "fused" ? (manifest.streams.length === 1 ? 0 : undefined) : row;
	const logits = known.get("logits");
	if (alone !== undefined && logits !== undefined) g.output("logits", stackedRow(g, logits, alone));
	g.output("probabilities", stackedRow(g, known.get("scores") as Value, row));
	return encodeModel(g.build());
}

/** Row `index` [B,K] of what was stacked to [B,rows,K]: the stacked value itself, so that the other rows fall away. */
function stackedRow(g: GraphBuilder, stacked: Value, index: number): Value {
	const stack = g.producer(stacked);
	const source = stack?.type === "Concat" ? stack.inputs[index] : undefined;
	const unsqueezed = source && g.producer(source);
	if (unsqueezed?.type === "Unsqueeze" && unsqueezed.inputs[0] !== undefined) return unsqueezed.inputs[0];
	return g.add("Gather", [stacked, g.constant({ dtype: "int64", dims: [], data: BigInt64Array.of(BigInt(index)) })], {
		axis: { type: "int", value: 1 },
	});
}
