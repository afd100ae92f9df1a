import { vectorPartName } from "@psgl/sdk";
import { int } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { pack } from "../layers/parameter-scope.js";
import type { TrainedParameters } from "../layers/trained-parameters.js";
import { accumulated, withGradients } from "../optimisers/accumulated.js";
import { clipGradients } from "../optimisers/clip-gradients.js";
import { type OptimiserStep, optimiserStep } from "../optimisers/optimiser.js";
import type { ModelDefinition } from "./model-definition.js";

export interface UpdateOperands<P> {
	/** All parameters of the segment. */
	readonly params: P;
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
 * Adds one training step of a segment whose parameters are one vector [P]: accumulates and clips the gradient, makes the
 * optimiser's step, and leaves what is frozen as it was. Declares the input `slots`, and the outputs `next_` with both names.
 */
export function updateParameters(
	g: GraphBuilder,
	definition: ModelDefinition,
	trained: TrainedParameters,
	operands: UpdateOperands<Value>,
	names: UpdateNames,
): void {
	const { params, learningRate, step } = operands;
	const optimiser = trainingStep(definition);
	const { length } = trained.layout;
	const count = optimiser.slotsPerParameter;
	const slots = g.input(names.slots, "float32", [count * length]);
	if (length === 0) {
		g.output(`next_${names.params}`, params);
		g.output(`next_${names.slots}`, slots);
		return;
	}
	const sizes = new Array<number>(count).fill(length);
	const before = {
		params: trained.take(g, params),
		slots: count < 2 ? [slots].slice(0, count) : g.addMany("Split", [slots, g.ints(sizes)], count, { axis: int(0) }),
	};
	const gradients = [pack(g, trained.layout, operands.gradients)];
	const [next] = optimiser.apply(g, { pieces: [before], gradients, learningRate, step });
	if (next === undefined) throw new Error("the optimiser has a result for each piece");
	g.output(`next_${names.params}`, trained.replace(g, params, next.params));
	const after = next.slots.length < 2 ? next.slots[0] : g.add("Concat", next.slots, { axis: int(0) });
	g.output(`next_${names.slots}`, after ?? slots);
}

/**
 * The same for parameters in the pieces of `trained`, each [P] of its own, or in rows: no vector is cut or joined. The inputs `slots`
 * and the outputs are pieces of vectors too, of the same shapes.
 * @returns the parameters after the step, in the same pieces
 */
export function updatePieces(
	g: GraphBuilder,
	definition: ModelDefinition,
	trained: TrainedParameters,
	operands: UpdateOperands<readonly Value[]>,
	names: UpdateNames,
): readonly Value[] {
	const { params, learningRate, step } = operands;
	const optimiser = trainingStep(definition);
	const total = trained.layout.length;
	if (optimiser.slotsPerParameter * total === 0) g.output(`next_${names.slots}`, g.input(names.slots, "float32", [0]));
	const moved: { readonly index: number; readonly offset: number }[] = [];
	let offset = 0;
	trained.pieces.forEach(({ frozen, length }, index) => {
		if (frozen) return;
		moved.push({ index, offset });
		offset += length;
	});
	let taken = 0;
	const gradients = moved.map(({ index }) => {
		const { entries } = trained.pieces[index] as TrainedParameters["pieces"][number];
		taken += entries.length;
		const flat = pack(g, { entries }, operands.gradients.slice(taken - entries.length, taken));
		const { shape } = params[index] as Value;
		return shape.length === 1 ? flat : g.add("Reshape", [flat, g.ints(shape as readonly number[])]);
	});
	const slotName = (slot: number, at: number) => vectorPartName(names.slots, slot * total + at);
	const pieces = moved.map(({ index, offset: at }) => {
		const own = params[index] as Value;
		const slots = Array.from({ length: optimiser.slotsPerParameter }, (_, k) =>
			g.input(slotName(k, at), "float32", own.shape),
		);
		return { params: own, slots };
	});
	const after = optimiser.apply(g, { pieces, gradients, learningRate, step });
	const next = [...params];
	moved.forEach(({ index, offset: at }, i) => {
		const piece = after[i] as (typeof after)[number];
		next[index] = piece.params;
		piece.slots.forEach((slot, k) => void g.output(`next_${slotName(k, at)}`, slot));
	});
	next.forEach((value, i) => {
		g.output(vectorPartName(`next_${names.params}`, trained.pieces[i]?.offset as number), value);
	});
	return next;
}

/** The clipping acts on the mean of the accumulated gradients. */
function trainingStep({ optimiser, gradientClipping, accumulationSteps }: ModelDefinition): OptimiserStep {
	const plain = optimiserStep(optimiser);
	const clipped =
		gradientClipping === null ? plain : withGradients(plain, (g, v) => clipGradients(g, v, gradientClipping));
	return accumulated(clipped, accumulationSteps);
}
