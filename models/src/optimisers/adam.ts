import { int } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { adamOfPieces, adamSlotsPerParameter } from "./adam-of-pieces.js";

export interface AdamSettings {
	readonly beta1: number;
	readonly beta2: number;
	readonly epsilon: number;
	/** Strength of the pull towards 0. */
	readonly weightDecay: number;
	/** Pulls the parameters themselves (AdamW) instead of adding to the gradient (L2). Default false. */
	readonly decoupledWeightDecay?: boolean | undefined;
}

export interface AdamOperands {
	/** [P] */
	readonly params: Value;
	/** [P] */
	readonly gradient: Value;
	/** [adamSlotsPerParameter * P], zeros before the first step. */
	readonly slots: Value;
	/** [] */
	readonly learningRate: Value;
	/** float32 [], 1 at the first step. */
	readonly step: Value;
}

/** One step of Adam, or of AdamW, where all parameters are one vector and all it remembers is another. */
export function adam(
	g: GraphBuilder,
	{ params, gradient, slots, learningRate, step }: AdamOperands,
	settings: AdamSettings,
): { readonly params: Value; readonly slots: Value } {
	const length = params.shape[0] as number;
	const moments = g.addMany("Split", [slots, g.ints([length, length])], adamSlotsPerParameter, { axis: int(0) });
	const operands = { pieces: [{ params, slots: moments }], gradients: [gradient], learningRate, step };
	const [next] = adamOfPieces(g, operands, settings);
	if (next === undefined) throw new Error("the optimiser has a result for each piece");
	return { params: next.params, slots: g.add("Concat", next.slots, { axis: int(0) }) };
}
