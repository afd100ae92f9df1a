import type { Normalisation } from "../foreign/normalise-input.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import type { ParameterScope } from "../layers/parameter-scope.js";

/** A network cut in two. Both halves are functions that add their nodes to a graph. */
export interface SplitNetwork {
	readonly name: string;
	/** One line for `--help` and the documentation. */
	readonly summary: string;
	/** Spatial axes of the input: 2 for pictures, 1 for signals. */
	readonly spatialAxes: 1 | 2;
	/** Whether the client segment ends in a rectifier, so that smashed data are never negative. */
	readonly rectified: boolean;
	/** Only of networks from ONNX files: what the file fixes. Such a network takes its inputs unpacked. */
	readonly imported?: {
		/** [C,H,W] or [C,L] */
		readonly inputShape: readonly number[];
		readonly classes: number;
		/** What the client segment does to inputs first. */
		readonly normalise: Normalisation | null;
		/** Tensors of the nearest cut behind the node of that name, which has no derivative; undefined where there is none. */
		avoid(node: string): readonly string[] | undefined;
	};
	/** The client segment: its input [B,C,...] -> smashed data [B,Cs,...]. */
	client(g: GraphBuilder, scope: ParameterScope, x: Value): Value;
	/** One stream of the server segment: smashed data -> logits [B,classes]. */
	stream(g: GraphBuilder, scope: ParameterScope, smashed: Value, classes: number): Value;
}
