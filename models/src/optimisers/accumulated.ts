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
		apply(g, { pieces, gradients, learningRate, step }) {
			const totals = gradients.map((gradient, i) =>
				g.add("Add", [pieces[i]?.slots.at(-1), g.add("Mul", [gradient, g.scalar(1 / batches)])]),
			);
			const optimiserSteps = g.add("Floor", [g.add("Div", [step, g.scalar(batches)])]);
			const isLast = g.add("Equal", [g.add("Mul", [optimiserSteps, g.scalar(batches)]), step]);
			// In between the step would be number 0, which Adam's bias correction divides by; its result is not used.
			const counted = g.add("Max", [optimiserSteps, g.scalar(1)]);
			const before = pieces.map(({ params, slots }) => ({ params, slots: slots.slice(0, -1) }));
			const after = inner.apply(g, { pieces: before, gradients: totals, learningRate, step: counted });
			const choose = (then: Value, otherwise: Value) => g.add("Where", [isLast, then, otherwise]);
			return after.map(({ params, slots }, i) => {
				const { params: oldParams, slots: oldSlots } = before[i] as (typeof before)[number];
				const moments = slots.map((slot, k) => choose(slot, oldSlots[k] as Value));
				return { params: choose(params, oldParams), slots: [...moments, choose(g.scalar(0), totals[i] as Value)] };
			});
		},
	};
}

/** The optimiser after its gradients, one for each piece, went through `change`. */
export function withGradients(
	inner: OptimiserStep,
	change: (g: GraphBuilder, gradients: readonly Value[]) => readonly Value[],
): OptimiserStep {
	return {
		slotsPerParameter: inner.slotsPerParameter,
		apply: (g, operands) => inner.apply(g, { ...operands, gradients: change(g, operands.gradients) }),
	};
}
