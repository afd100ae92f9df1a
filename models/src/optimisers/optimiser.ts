import type { OptimiserSettings } from "@psgl/sdk/artifact";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { adam, adamSlotsPerParameter } from "./adam.js";
import { sgd, sgdSlotsPerParameter } from "./sgd.js";

/** What an optimiser step works on. */
export interface OptimiserOperands {
	/** [P], all parameters flat. */
	readonly params: Value;
	/** [P] */
	readonly gradient: Value;
	/** [slotsPerParameter * P], zeros before the first step. */
	readonly slots: Value;
	/** [] */
	readonly learningRate: Value;
	/** float32 [], 1 at the first step. */
	readonly step: Value;
}

export interface OptimiserResult {
	/** [P] */
	readonly params: Value;
	/** [slotsPerParameter * P] */
	readonly slots: Value;
}

/** One step of an optimiser as graph nodes. */
export interface OptimiserStep {
	/** How many numbers the optimiser remembers for each parameter. */
	readonly slotsPerParameter: number;
	apply(g: GraphBuilder, operands: OptimiserOperands): OptimiserResult;
}

/** The optimiser a manifest names. */
export function optimiserStep(settings: OptimiserSettings): OptimiserStep {
	switch (settings.kind) {
		case "adam":
			return {
				slotsPerParameter: adamSlotsPerParameter,
				apply: (g, operands) => adam(g, operands, settings),
			};
		case "sgd":
			return {
				slotsPerParameter: sgdSlotsPerParameter(settings),
				apply: (g, operands) => sgd(g, operands, settings),
			};
	}
}
