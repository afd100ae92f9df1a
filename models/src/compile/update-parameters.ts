import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { pack } from "../layers/parameter-scope.js";
import type { TrainedParameters } from "../layers/trained-parameters.js";
import { accumulated, withGradient } from "../optimisers/accumulated.js";
import { clipGradient } from "../optimisers/clip-gradient.js";
import { type OptimiserStep, optimiserStep } from "../optimisers/optimiser.js";
import type { ModelDefinition } from "./model-definition.js";

export interface UpdateOperands {
	/** [P], all parameters of the segment. */
	readonly params: Value;
	/** Gradients of the trained ones, undefined where it is zero. */
	readonly gradients: readonly (Value | undefined)[];
	/** [] */
	readonly learningRate: Value;
	/** float32 [], graph runs counted from 1. */
	readonly step: Value;
}

/** Names of the graph's input and outputs. */
export interface UpdateNames {
	readonly slots: string;
	readonly params: string;
}

/**
 * Adds one training step of a segment: accumulates and clips the gradient, makes the optimiser's step, and leaves what
 * is frozen as it was. Declares the input `slots`, and the outputs `next_` with both names.
 */
export function updateParameters(
	g: GraphBuilder,
	definition: ModelDefinition,
	trained: TrainedParameters,
	operands: UpdateOperands,
	names: UpdateNames,
): void {
	const { params, learningRate, step } = operands;
	const optimiser = trainingStep(definition);
	const slots = g.input(names.slots, "float32", [optimiser.slotsPerParameter * trained.layout.length]);
	if (trained.layout.length === 0) {
		g.output(`next_${names.params}`, params);
		g.output(`next_${names.slots}`, slots);
		return;
	}
	const gradient = pack(g, trained.layout, operands.gradients);
	const next = optimiser.apply(g, { params: trained.take(g, params), gradient, slots, learningRate, step });
	g.output(`next_${names.params}`, trained.replace(g, params, next.params));
	g.output(`next_${names.slots}`, next.slots);
}

/** The clipping acts on the mean of the accumulated gradients. */
function trainingStep({ optimiser, gradientClipping, accumulationSteps }: ModelDefinition): OptimiserStep {
	const plain = optimiserStep(optimiser);
	const clipped =
		gradientClipping === null ? plain : withGradient(plain, (g, v) => clipGradient(g, v, gradientClipping));
	return accumulated(clipped, accumulationSteps);
}
