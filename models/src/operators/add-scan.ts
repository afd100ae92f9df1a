import { int, ints } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Graph, Value } from "../graph/graph.js";
import { hoistInvariants } from "../graph/hoist-invariants.js";

/** A body and what it runs over. */
export interface ScanParts {
	/**
	 * Inputs: the states, then a slice of each sequence, then what is captured. Outputs: the next states, then what this
	 * step adds to each result.
	 */
	readonly body: Graph;
	readonly states: readonly Value[];
	/** [L,...] each. */
	readonly sequences: readonly Value[];
	/** Values every step reads as they are. */
	readonly captured: readonly Value[];
	/** From the last element of the sequences to the first; results are in the order of the sequences all the same. */
	readonly reverse: boolean;
}

/**
 * Runs a body over the first axis of sequences (ONNX operator Scan). What every step would compute alike is computed once.
 * @returns the states after the last step, then the results [L,...]
 */
export function addScan(g: GraphBuilder, parts: ScanParts): readonly Value[] {
	const { states, sequences, reverse } = parts;
	const { body, captured } = hoistInvariants(g, parts);
	const results = body.outputs.length - states.length;
	return g.addMany("Scan", [...states, ...sequences, ...captured], body.outputs.length, {
		body: { type: "graph", value: body, captured: captured.length },
		num_scan_inputs: int(sequences.length),
		...(reverse && {
			scan_input_directions: ints(sequences.map(() => 1)),
			scan_output_directions: ints(new Array<number>(results).fill(1)),
		}),
	});
}
