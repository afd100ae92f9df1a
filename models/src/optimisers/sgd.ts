import type { GraphBuilder } from "../graph/builder.js";
import type { OptimiserOperands, OptimiserResult } from "./optimiser.js";

export interface SgdSettings {
	/** Share of the last change that is kept; 0 for plain gradient descent. */
	readonly momentum: number;
	/** Strength of the pull towards 0, added to the gradient. */
	readonly weightDecay: number;
	/** Looks ahead along the momentum (Nesterov), as PyTorch's SGD. Default false. */
	readonly nesterov?: boolean | undefined;
}

/** The momentum, where there is any. */
export function sgdSlotsPerParameter({ momentum }: SgdSettings): number {
	return momentum === 0 ? 0 : 1;
}

/** One step of stochastic gradient descent on flat vectors, as PyTorch's SGD without dampening. */
export function sgd(g: GraphBuilder, operands: OptimiserOperands, settings: SgdSettings): OptimiserResult {
	const { params, slots, learningRate } = operands;
	const { momentum, weightDecay, nesterov = false } = settings;
	let { gradient } = operands;
	if (weightDecay !== 0) gradient = g.add("Add", [gradient, g.add("Mul", [params, g.scalar(weightDecay)])]);
	let nextSlots = slots;
	let direction = gradient;
	if (momentum !== 0) {
		nextSlots = g.add("Add", [g.add("Mul", [slots, g.scalar(momentum)]), gradient]);
		direction = nesterov ? g.add("Add", [gradient, g.add("Mul", [nextSlots, g.scalar(momentum)])]) : nextSlots;
	}
	return {
		params: g.add("Sub", [params, g.add("Mul", [direction, learningRate])]),
		slots: nextSlots,
	};
}
