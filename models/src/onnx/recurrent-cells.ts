import { int, numberAttribute } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import type { RecurrentState } from "../layers/recurrent.js";
import type { ReadNode } from "./normalise-opset.js";
import type { Cell } from "./recurrent-rule.js";

const hiddenOf = ([h]: RecurrentState) => h.shape[2] as number;
const split = (g: GraphBuilder, value: Value, sizes: readonly number[]) =>
	g.addMany("Split", [value, g.ints(sizes)], sizes.length, { axis: int(2) });

/** Gates i, o, f, c: `c' = f c + i tanh(c~)`, `h = o tanh(c')` (ONNX LSTM). */
export const lstmCell: Cell = {
	gates: 4,
	states: 2,
	activations: [["Sigmoid", "Tanh", "Tanh"]],
	addsRecurrentBias: () => true,
	step(g, _node, { projected, state, weight }) {
		const [h, c] = state as readonly [Value, Value];
		const hidden = hiddenOf(state);
		const all = g.add("Add", [projected, g.add("MatMul", [h, weight])]);
		const [gates, candidate] = split(g, all, [3 * hidden, hidden]) as [Value, Value];
		const [input, output, forget] = split(g, g.add("Sigmoid", [gates]), [hidden, hidden, hidden]) as [
			Value,
			Value,
			Value,
		];
		const entered = g.add("Mul", [input, g.add("Tanh", [candidate])]);
		const next = g.add("Add", [g.add("Mul", [forget, c]), entered]);
		return [g.add("Mul", [output, g.add("Tanh", [next])]), next];
	},
};

const linearBeforeReset = (node: ReadNode) => numberAttribute(node.attributes, "linear_before_reset", 0) === 1;

/**
 * Gates z, r, h: `h' = (1 - z) h~ + z h`, where the reset gate meets the product with the recurrent weight
 * (`linear_before_reset`, as PyTorch) or the state in front of it (ONNX GRU).
 */
export const gruCell: Cell = {
	gates: 3,
	states: 1,
	activations: [["Sigmoid", "Tanh"]],
	addsRecurrentBias: (node) => !linearBeforeReset(node),
	step(g, node, { projected, state, weight, bias }) {
		const [h] = state;
		const hidden = hiddenOf(state);
		const sizes = [2 * hidden, hidden];
		const [fromInput, candidateOfInput] = split(g, projected, sizes) as [Value, Value];
		const gatesOf = (product: Value) =>
			split(g, g.add("Sigmoid", [g.add("Add", [fromInput, product])]), [hidden, hidden]) as [Value, Value];
		const mixed = (update: Value, candidate: Value): RecurrentState => {
			// (1 - z) h~ + z h as h~ + z (h - h~).
			const activated = g.add("Tanh", [candidate]);
			return [g.add("Add", [activated, g.add("Mul", [update, g.add("Sub", [h, activated])])])];
		};
		if (linearBeforeReset(node)) {
			const product = g.add("MatMul", [h, weight]);
			const [gates, candidate] = split(g, bias === undefined ? product : g.add("Add", [product, bias]), sizes) as [
				Value,
				Value,
			];
			const [update, reset] = gatesOf(gates);
			return mixed(update, g.add("Add", [candidateOfInput, g.add("Mul", [reset, candidate])]));
		}
		const [ofGates, ofCandidate] = g.addMany("Split", [weight, g.ints(sizes)], 2, { axis: int(1) }) as [Value, Value];
		const [update, reset] = gatesOf(g.add("MatMul", [h, ofGates]));
		return mixed(update, g.add("Add", [candidateOfInput, g.add("MatMul", [g.add("Mul", [reset, h]), ofCandidate])]));
	},
};

/** `h' = tanh(x W + h R + b)`, or Relu in the place of tanh (ONNX RNN). */
export const rnnCell: Cell = {
	gates: 1,
	states: 1,
	activations: [["Tanh"], ["Relu"]],
	addsRecurrentBias: () => true,
	step(g, { attributes }, { projected, state: [h], weight }) {
		const named = attributes.activations?.type === "strings" ? attributes.activations.value[0] : undefined;
		const activation = named?.toLowerCase() === "relu" ? "Relu" : "Tanh";
		return [g.add(activation, [g.add("Add", [projected, g.add("MatMul", [h, weight])])])];
	},
};
