import { attributes, type GraphBuilder, type OptimiserStep, type Value } from "@psgl/models";

interface FlatOperands {
	readonly params: Value;
	readonly gradient: Value;
	/** [slotsPerParameter * P] */
	readonly slots: Value;
	readonly learningRate: Value;
	readonly step: Value;
}

/** An optimiser's step on one vector, all it remembers in another. */
export function flatStep(g: GraphBuilder, optimiser: OptimiserStep, operands: FlatOperands) {
	const { params, gradient, slots, learningRate, step } = operands;
	const count = optimiser.slotsPerParameter;
	const sizes = new Array<number>(count).fill(params.shape[0] as number);
	const axis = { axis: attributes.int(0) };
	const before = count === 0 ? [] : g.addMany("Split", [slots, g.ints(sizes)], count, axis);
	const [next] = optimiser.apply(g, { pieces: [{ params, slots: before }], gradients: [gradient], learningRate, step });
	if (next === undefined) throw new Error("the optimiser has a result for each piece");
	return { params: next.params, slots: count === 0 ? slots : g.add("Concat", next.slots, axis) };
}
