import { int } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import type { OptimiserStep } from "./optimiser.js";

/**
 * Gradient accumulation: an optimiser that steps once in `batches` runs, with the mean of their gradients, and leaves
 * parameters and moments alone in between. The sum so far is part of the optimiser's state, so training goes on from a
 * checkpoint, or is repeated, as if it had never stopped. `step` counts runs; the optimiser inside counts its own steps.
 */
export function accumulated(inner: OptimiserStep, batches: number): OptimiserStep {
	if (batches === 1) return inner;
	return {
		slotsPerParameter: inner.slotsPerParameter + 1,
		apply(g, { params, gradient, slots, learningRate, step }) {
			const length = params.shape[0] as number;
			const moments = inner.slotsPerParameter * length;
			const [before, sum] = g.addMany("Split", [slots, g.ints([moments, length])], 2, { axis: int(0) }) as [
				Value,
				Value,
			];
			const total = g.add("Add", [sum, g.add("Mul", [gradient, g.scalar(1 / batches)])]);
			const optimiserSteps = g.add("Floor", [g.add("Div", [step, g.scalar(batches)])]);
			const isLast = g.add("Equal", [g.add("Mul", [optimiserSteps, g.scalar(batches)]), step]);
			// In between the step would be number 0, which Adam's bias correction divides by; its result is not used.
			const counted = g.add("Max", [optimiserSteps, g.scalar(1)]);
			const next = inner.apply(g, { params, gradient: total, slots: before, learningRate, step: counted });
			const choose = (after: Value, otherwise: Value) => g.add("Where", [isLast, after, otherwise]);
			const remaining = choose(g.scalar(0), total);
			return {
				params: choose(next.params, params),
				slots: g.add("Concat", [choose(next.slots, before), remaining], { axis: int(0) }),
			};
		},
	};
}

/** The optimiser after its gradient went through `change`. */
export function withGradient(inner: OptimiserStep, change: (g: GraphBuilder, gradient: Value) => Value): OptimiserStep {
	return {
		slotsPerParameter: inner.slotsPerParameter,
		apply: (g, operands) => inner.apply(g, { ...operands, gradient: change(g, operands.gradient) }),
	};
}
