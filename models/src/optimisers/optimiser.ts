import type { OptimiserSettings } from "@psgl/sdk/artifact";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { adamOfPieces, adamSlotsPerParameter } from "./adam-of-pieces.js";
import { sgd, sgdSlotsPerParameter } from "./sgd.js";

/** Parameters that lie flat one after the other, and what the optimiser remembers of them. */
export interface OptimiserPiece {
	/** [P], or [rows,P/rows] where there are many: a step may go through them row by row. */
	readonly params: Value;
	/** As `params` each, slotsPerParameter of them, zeros before the first step. */
	readonly slots: readonly Value[];
}

/** What an optimiser step works on. */
export interface OptimiserOperands {
	/** All parameters, in one piece or several. */
	readonly pieces: readonly OptimiserPiece[];
	/** One for each piece, of the shape of its parameters. */
	readonly gradients: readonly Value[];
	/** [] */
	readonly learningRate: Value;
	/** float32 [], 1 at the first step. */
	readonly step: Value;
}

/** One step of an optimiser as graph nodes. */
export interface OptimiserStep {
	/** How many numbers the optimiser remembers for each parameter. */
	readonly slotsPerParameter: number;
	/** The pieces after the step. */
	apply(g: GraphBuilder, operands: OptimiserOperands): readonly OptimiserPiece[];
}

/** The optimiser a manifest names. */
export function optimiserStep(settings: OptimiserSettings): OptimiserStep {
	switch (settings.kind) {
		case "adam":
			return {
				slotsPerParameter: adamSlotsPerParameter,
				apply: (g, operands) => adamOfPieces(g, operands, settings),
			};
		case "sgd":
			return {
				slotsPerParameter: sgdSlotsPerParameter(settings),
				apply: (g, operands) => sgd(g, operands, settings),
			};
	}
}
