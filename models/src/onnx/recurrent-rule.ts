import { ArtifactError } from "@psgl/sdk";
import { int, numberAttribute, stringAttribute } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { type RecurrentOperands, type RecurrentResult, type RecurrentState, recurrent } from "../layers/recurrent.js";
import { requiredInput, shapeMismatch } from "../operators/operator.js";
import type { ReadNode } from "./normalise-opset.js";

/** One of the recurrent layers of ONNX. */
export interface Cell {
	/** Gates in the rows of weights and biases. */
	readonly gates: number;
	/** States, the hidden one first. */
	readonly states: number;
	/** Activations a node may have for one direction: first those that ONNX gives it by default. */
	readonly activations: readonly (readonly string[])[];
	/** Whether the biases of the recurrent product are added to the projected input (all but some of GRU's are). */
	readonly addsRecurrentBias: (node: ReadNode) => boolean;
	/** Adds one time step to `g`; the state after it. */
	step(g: GraphBuilder, node: ReadNode, operands: RecurrentOperands): RecurrentState;
}

/**
 * An LSTM, GRU or RNN as the operators of its time steps, in one direction, the other or both (ONNX operator
 * specification: x [L,B,I], weights [D,gates*H,I] and [D,gates*H,H], biases [D,2*gates*H], states [D,B,H]).
 *
 * @returns Y [L,D,B,H], then the last states [D,B,H]
 * @throws ArtifactError `PSGL_RECURRENT` for what psgl does not have: sequence lengths, peepholes, clipping, other
 * activations, the batch as first axis; ShapeError
 */
export function readRecurrent(g: GraphBuilder, node: ReadNode, cell: Cell): readonly Value[] {
	const [x, w, r] = [0, 1, 2].map((i) => requiredInput(node, i)) as [Value, Value, Value];
	const direction = stringAttribute(node.attributes, "direction", "forward");
	const directions = direction === "bidirectional" ? 2 : 1;
	const hidden = r.shape[2];
	const rows = cell.gates * Number(hidden);
	const fits = x.shape.length === 3 && w.shape.join() === [directions, rows, x.shape[2]].join();
	if (!fits || typeof x.shape[0] !== "number" || r.shape.join() !== [directions, rows, hidden].join()) {
		const context = { ...node, constant: () => undefined, shape: () => undefined };
		throw shapeMismatch(
			context,
			`x [L,B,I] of known length L, weights [${directions},${cell.gates}H,I] and [${directions},${cell.gates}H,H]`,
		);
	}
	refuseWhatIsMissing(g, node, cell, x.shape[0], directions);
	const results = Array.from({ length: directions }, (_, d): RecurrentResult => {
		const ofDirection = (value: Value) => part(g, value, d, 0);
		const row = (value: Value) => g.add("Squeeze", [ofDirection(value), g.ints([0])]);
		let projected = g.add("MatMul", [x, g.add("Transpose", [row(w)], { perm: { type: "ints", value: [1, 0] } })]);
		let bias: Value | undefined;
		if (node.inputs[3] !== undefined) {
			const [input, recurrent] = g.addMany("Split", [row(node.inputs[3]), g.ints([rows, rows])], 2, { axis: int(0) });
			const added = cell.addsRecurrentBias(node);
			projected = g.add("Add", [projected, added ? g.add("Add", [input, recurrent]) : input]);
			if (!added) bias = recurrent;
		}
		const initial = Array.from({ length: cell.states }, (_, s) => {
			const state = node.inputs[5 + s];
			return state === undefined || isZero(g, state) ? undefined : ofDirection(state);
		});
		const reverse = direction === "reverse" || d === 1;
		const step = (inner: GraphBuilder, operands: RecurrentOperands) => cell.step(inner, node, operands);
		return recurrent(g, { projected, recurrentWeight: row(r), bias, initial, reverse, step });
	});
	const together = (values: readonly Value[], axis: number) =>
		values.length === 1 ? (values[0] as Value) : g.add("Concat", values, { axis: int(axis) });
	const sequence = together(
		results.map(({ sequence: s }) => s),
		1,
	);
	const states = Array.from({ length: cell.states }, (_, s) =>
		together(
			results.map(({ last }) => last[s] as Value),
			0,
		),
	);
	return [sequence, ...states];
}

/** Element `index` along `axis`, which is kept; the value itself where it has one. */
function part(g: GraphBuilder, value: Value, index: number, axis: number): Value {
	if (value.shape[axis] === 1) return value;
	return g.add("Slice", [value, g.ints([index]), g.ints([index + 1]), g.ints([axis])]);
}

/** Whether a state is the zeros PyTorch starts from, whose batch it measures elsewhere: a cut need not wait for that. */
function isZero(g: GraphBuilder, state: Value): boolean {
	const constant = g.constantOf(state);
	if (constant !== undefined) return Array.from(constant.data as ArrayLike<number>).every((value) => value === 0);
	const producer = g.producer(state);
	const from = producer?.inputs[0];
	return from !== undefined && (producer?.type === "Expand" || producer?.type === "Slice") && isZero(g, from);
}

function refuseWhatIsMissing(g: GraphBuilder, node: ReadNode, cell: Cell, length: number, directions: number): void {
	const { attributes, inputs } = node;
	const lengths = inputs[4] && g.constantOf(inputs[4]);
	const given = attributes.activations?.type === "strings" ? attributes.activations.value.join() : undefined;
	const accepted = cell.activations.map((names) => Array.from({ length: directions }, () => names).join());
	const missing = [
		...(inputs[4] !== undefined && !(lengths && Array.from(lengths.data, Number).every((n) => n === length))
			? ["sequence lengths (packed sequences)"]
			: []),
		...(inputs[7] !== undefined ? ["peepholes"] : []),
		...(attributes.clip !== undefined ? ["clipping"] : []),
		...(numberAttribute(attributes, "input_forget", 0) === 1 ? ["coupled input and forget gates"] : []),
		...(numberAttribute(attributes, "layout", 0) === 1 ? ["the batch as first axis (layout 1)"] : []),
		...(given !== undefined && !accepted.some((names) => names.toLowerCase() === given.toLowerCase())
			? [`activations ${given}`]
			: []),
	];
	if (missing.length === 0) return;
	throw new ArtifactError("PSGL_RECURRENT", {
		what: `node ${node.name} (${node.type}) asks for what psgl does not have`,
		got: missing.join("; "),
		expected: `${cell.activations.map((names) => names.join(", ")).join(" or ")} over sequences of one length`,
		remedy: "Export torch.nn.LSTM, GRU or RNN called with a padded tensor",
	});
}
