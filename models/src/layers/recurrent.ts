import { int, ints } from "../graph/attribute.js";
import { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { onnxLimits } from "../onnx/limits.js";
import { addScan } from "../operators/add-scan.js";
import { zerosLike } from "../operators/constants.js";

/** What a recurrent layer carries from one time step to the next, each [1,B,H]: the hidden state, then others. */
export type RecurrentState = readonly [Value, ...Value[]];

/** What one time step is computed from. */
export interface RecurrentOperands {
	/** Projected input, [1,B,gates*H]. */
	readonly projected: Value;
	/** State after the step before. */
	readonly state: RecurrentState;
	/** [H,gates*H] */
	readonly weight: Value;
	/** Bias of the recurrent product, [gates*H], where it has not been added to the projected input. */
	readonly bias: Value | undefined;
}

/** One direction of a recurrent layer. */
export interface Recurrence {
	/** Products of the inputs with the weights of all gates, bias added: [L,B,gates*H]. */
	readonly projected: Value;
	/** [gates*H,H] */
	readonly recurrentWeight: Value;
	/** As in `RecurrentOperands`. */
	readonly bias: Value | undefined;
	/** Initial states, [1,B,H] each; undefined stands for zeros. */
	readonly initial: readonly (Value | undefined)[];
	readonly reverse: boolean;
	/** Adds one time step to `g`; the state after it. */
	step(g: GraphBuilder, operands: RecurrentOperands): RecurrentState;
}

/** What one direction gives. */
export interface RecurrentResult {
	/** Hidden states of all time steps, [L,1,B,H]. */
	readonly sequence: Value;
	/** States after the last step. */
	readonly last: RecurrentState;
}

/**
 * Runs a recurrence over the time steps of a sequence of known length. Up to `onnxLimits.maxUnrolledSteps` they are
 * written out, which runs fastest, but makes a graph that grows with the length; above, they are a Scan.
 */
export function recurrent(g: GraphBuilder, recurrence: Recurrence): RecurrentResult {
	const length = recurrence.projected.shape[0] as number;
	const weight = g.add("Transpose", [recurrence.recurrentWeight], { perm: ints([1, 0]) });
	return length > onnxLimits.maxUnrolledSteps ? scanned(g, recurrence, weight) : unrolled(g, recurrence, weight);
}

function unrolled(g: GraphBuilder, recurrence: Recurrence, weight: Value): RecurrentResult {
	const { projected, bias, reverse, step } = recurrence;
	const length = projected.shape[0] as number;
	const steps =
		length === 1 ? [projected] : g.addMany("Split", [projected], length, { axis: int(0), num_outputs: int(length) });
	let state = initialState(g, recurrence, steps[0] as Value);
	const outputs: Value[] = [];
	for (let i = 0; i < length; i++) {
		const t = reverse ? length - 1 - i : i;
		state = step(g, { projected: steps[t] as Value, state, weight, bias });
		outputs[t] = state[0];
	}
	const all = length === 1 ? (outputs[0] as Value) : g.add("Concat", outputs, { axis: int(0) });
	return { sequence: g.add("Unsqueeze", [all, g.ints([1])]), last: state };
}

/** Every state is a result as well as the next state: the backward pass starts each step from them. */
function scanned(g: GraphBuilder, recurrence: Recurrence, weight: Value): RecurrentResult {
	const { projected, bias, reverse, step } = recurrence;
	const first = g.add("Slice", [projected, g.ints([0]), g.ints([1]), g.ints([0])]);
	const states = initialState(g, recurrence, first);
	const captured = bias === undefined ? [weight] : [weight, bias];
	const b = new GraphBuilder("time step");
	const inner = {
		projected: b.input("projected", projected.dtype, first.shape),
		state: states.map(({ dtype, shape }, i) => b.input(`state ${i}`, dtype, shape)) as unknown as RecurrentState,
		weight: b.input("weight", weight.dtype, weight.shape),
		bias: bias && b.input("bias", bias.dtype, bias.shape),
	};
	const next = step(b, inner);
	const inputs = [...inner.state, inner.projected, inner.weight, ...(inner.bias === undefined ? [] : [inner.bias])];
	const body = b.subgraph(inputs, [...next, ...next]);
	const sequence = g.add("Unsqueeze", [projected, g.ints([1])]);
	const added = addScan(g, { body, states, sequences: [sequence], captured, reverse });
	return { sequence: added[states.length] as Value, last: added.slice(0, states.length) as unknown as RecurrentState };
}

/** @param first projected input of one time step, whose batch zeros take over */
function initialState(g: GraphBuilder, { initial, recurrentWeight }: Recurrence, first: Value): RecurrentState {
	const hidden = recurrentWeight.shape[1] as number;
	const zero = () => zerosLike(g, g.add("Slice", [first, g.ints([0]), g.ints([hidden]), g.ints([2])]));
	return initial.map((value) => value ?? zero()) as unknown as RecurrentState;
}
