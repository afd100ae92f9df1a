import { tensor } from "@psgl/sdk";
import { importedOperator } from "../imported-operator.js";
import { int, type OperatorSample, sampleOf, string } from "./sample.js";

/** Two gates' worth of states at each of four time steps, in both directions, every optional state given. */
const recurrent = (type: string, gates: number, states: readonly string[], attributes = {}): OperatorSample => ({
	inputs: {
		X: [4, 2, 3],
		W: [2, gates * 2, 3],
		R: [2, gates * 2, 2],
		B: [2, gates * 4],
		...Object.fromEntries(states.map((name) => [name, [2, 2, 2]])),
	},
	build: importedOperator(type, 14, ["X", "W", "R", "B", "", ...states], {
		attributes: { direction: { s: "bidirectional" }, hidden_size: { i: 2 }, ...attributes },
	}),
	batched: [],
});

/** Rows of [3,4,2]; one counted from the end, none twice. */
const pairs = tensor("int64", [3, 2], BigInt64Array.of(0n, 1n, 2n, 3n, 1n, -1n));

const places = tensor("int64", [2, 4], BigInt64Array.of(0n, 2n, 2n, 1n, -1n, 0n, 0n, 1n));

/** Operators on sequences and on elements picked by index. */
export const sequenceSamples: Readonly<Record<string, OperatorSample>> = {
	Einsum: {
		inputs: { q: [2, 3, 2, 4], k: [2, 5, 2, 4] },
		build: importedOperator("Einsum", 12, ["q", "k"], { attributes: { equation: { s: "bihd,bjhd->bhij" } } }),
	},
	GRU: recurrent("GRU", 3, ["initial_h"], { linear_before_reset: { i: 1 } }),
	GatherElements: sampleOf(
		{ data: [3, 4] },
		(g, data) => g.add("GatherElements", [data, g.constant(places)], { axis: int(0) }),
		{ batched: [] },
	),
	GatherND: sampleOf({ data: [3, 4, 2] }, (g, data) => g.add("GatherND", [data, g.constant(pairs)]), { batched: [] }),
	LSTM: recurrent("LSTM", 4, ["initial_h", "initial_c"]),
	RNN: recurrent("RNN", 1, ["initial_h"]),
	Scan: {
		inputs: { state: [2, 3], sequence: [4, 2, 3], captured: [3, 3] },
		build: (g, inputs) => {
			const node = (type: string, ...[output, ...operands]: readonly [string, ...string[]]) => ({
				type,
				inputs: operands,
				outputs: [output],
			});
			const body = {
				inputs: ["before", "slice"],
				nodes: [
					node("MatMul", "product", "before", "captured"),
					node("Add", "sum", "product", "slice"),
					node("Tanh", "next", "sum"),
					node("Mul", "result", "next", "slice"),
				],
				outputs: ["next", "result"],
			};
			return importedOperator("Scan", 14, ["state", "sequence"], {
				attributes: { num_scan_inputs: { i: 1 }, body: { graph: body } },
				outputs: 2,
				result: 1,
			})(g, inputs);
		},
		batched: [],
	},
	ScatterElements: sampleOf(
		{ data: [3, 4], updates: [2, 4] },
		(g, data, updates) =>
			g.add("ScatterElements", [data, g.constant(places), updates], { axis: int(0), reduction: string("add") }),
		{ batched: [] },
	),
	ScatterND: sampleOf(
		{ data: [3, 4, 2], updates: [3, 2] },
		(g, data, updates) => g.add("ScatterND", [data, g.constant(pairs), updates]),
		{ batched: [] },
	),
	Trilu: sampleOf({ input: [2, 3, 4] }, (g, v) => {
		const k = g.constant(tensor("int64", [], BigInt64Array.of(-1n)));
		return g.add("Trilu", [v, k], { upper: int(0) });
	}),
};
