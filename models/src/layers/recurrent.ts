import { LimitError } from "@psgl/sdk";
import { int, ints } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { onnxLimits } from "../onnx/limits.js";
import { zerosLike } from "../operators/constants.js";

/** What a recurrent layer carries from one time step to the next, each [1,B,H]: the hidden state, then others. */
export type RecurrentState = readonly [Value, ...Value[]];

/** One direction of a recurrent layer. */
export interface Recurrence {
	/** Products of the inputs with the weights of all gates, bias added: [L,B,gates*H]. */
	readonly projected: Value;
	/** [gates*H,H] */
	readonly recurrentWeight: Value;
	/** Initial states, [1,B,H] each; undefined stands for zeros. */
	readonly initial: readonly (Value | undefined)[];
	readonly reverse: boolean;
	/** State after a time step from the projected input [1,B,gates*H], the state before and the weight [H,gates*H]. */
	step(projected: Value, state: RecurrentState, weight: Value): RecurrentState;
}

/** What one direction gives. */
export interface RecurrentResult {
	/** Hidden states of all time steps, [L,1,B,H]. */
	readonly sequence: Value;
	/** States after the last step. */
	readonly last: RecurrentState;
}

/**
 * Runs a recurrence over the time steps of a sequence of known length, each written out: standard operators, which can
 * be differentiated again. The compiled graph grows with the length.
 *
 * @throws LimitError `PSGL_RECURRENT_LENGTH` above `onnxLimits.maxUnrolledSteps`
 */
export function unrolled(g: GraphBuilder, recurrence: Recurrence, node: string): RecurrentResult {
	const { projected, recurrentWeight, initial, reverse, step } = recurrence;
	const length = projected.shape[0] as number;
	const hidden = recurrentWeight.shape[1] as number;
	if (length > onnxLimits.maxUnrolledSteps) {
		throw new LimitError("PSGL_RECURRENT_LENGTH", {
			what: `the sequence of node ${node} is longer than psgl writes out`,
			got: `${length} time steps`,
			expected: `at most ${onnxLimits.maxUnrolledSteps}`,
			remedy: "Shorten it in front of the recurrent layer, by strided convolutions or pooling",
		});
	}
	const weight = g.add("Transpose", [recurrentWeight], { perm: ints([1, 0]) });
	const steps =
		length === 1 ? [projected] : g.addMany("Split", [projected], length, { axis: int(0), num_outputs: int(length) });
	const zero = () => {
		const first = g.add("Slice", [steps[0], g.ints([0]), g.ints([hidden]), g.ints([2])]);
		return zerosLike(g, first);
	};
	let state = initial.map((value) => value ?? zero()) as unknown as RecurrentState;
	const outputs: Value[] = [];
	for (let i = 0; i < length; i++) {
		const t = reverse ? length - 1 - i : i;
		state = step(steps[t] as Value, state, weight);
		outputs[t] = state[0];
	}
	const all = length === 1 ? (outputs[0] as Value) : g.add("Concat", outputs, { axis: int(0) });
	return { sequence: g.add("Unsqueeze", [all, g.ints([1])]), last: state };
}
