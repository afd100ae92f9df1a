import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import type { OptimiserOperands, OptimiserPiece } from "./optimiser.js";

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
export function sgd(
	g: GraphBuilder,
	{ pieces, gradients, learningRate }: OptimiserOperands,
	{ momentum, weightDecay, nesterov = false }: SgdSettings,
): readonly OptimiserPiece[] {
	return pieces.map(({ params, slots: [velocity] }, i) => {
		let gradient = gradients[i] as Value;
		if (weightDecay !== 0) gradient = g.add("Add", [gradient, g.add("Mul", [params, g.scalar(weightDecay)])]);
		const next = velocity && g.add("Add", [g.add("Mul", [velocity, g.scalar(momentum)]), gradient]);
		let direction = next ?? gradient;
		if (next !== undefined && nesterov) direction = g.add("Add", [gradient, g.add("Mul", [next, g.scalar(momentum)])]);
		return {
			params: g.add("Sub", [params, g.add("Mul", [direction, learningRate])]),
			slots: next === undefined ? [] : [next],
		};
	});
}
