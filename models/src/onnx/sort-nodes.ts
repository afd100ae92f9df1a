import { ArtifactError } from "@psgl/sdk";
import type { NodeProto } from "./schema.js";

/** What a message calls a node: its name, or its operator and what it computes. */
export const nodeName = (node: NodeProto) => node.name || `${node.opType}_${node.output?.[0] ?? ""}`;

/** Names a node reads: its inputs, and what graphs inside of it read from outside. */
export function reads(node: NodeProto): readonly string[] {
	const graphs = (node.attribute ?? []).flatMap(({ g }) => g ?? []);
	if (graphs.length === 0) return node.input ?? [];
	const inner = graphs.flatMap((graph) => [
		...(graph.node ?? []).flatMap(reads),
		...(graph.output ?? []).map(({ name }) => name),
	]);
	return [...(node.input ?? []), ...inner];
}

/**
 * The nodes of a file in an order in which they can run, which is the given one where that can.
 *
 * @param given names of inputs and initialisers
 * @throws ArtifactError `PSGL_ONNX_DUPLICATE` when two things compute a value of one name, `PSGL_ONNX_CYCLE` with the
 * nodes of the cycle; a value nothing computes is left to the reader of the nodes
 */
export function sortNodes(nodes: readonly NodeProto[], given: Iterable<string>): readonly NodeProto[] {
	const known = new Set(given);
	const producers = new Map<string, NodeProto>();
	for (const node of nodes) {
		for (const output of node.output ?? []) {
			if (output === "") continue;
			const other = producers.get(output);
			if (known.has(output) || other !== undefined) {
				throw new ArtifactError("PSGL_ONNX_DUPLICATE", {
					what: `two parts of the model give a value of one name: ${output}`,
					got: `node ${nodeName(node)} and ${other === undefined ? "an input or initialiser" : `node ${nodeName(other)}`}`,
					remedy: "Rename one of them; onnx.checker finds such names",
				});
			}
			producers.set(output, node);
		}
	}
	const sorted: NodeProto[] = [];
	const state = new Map<NodeProto, "open" | "done">();
	for (const root of nodes) {
		if (state.has(root)) continue;
		// Depth first without recursion: a network may be deeper than the stack.
		const path: Step[] = [{ node: root, reads: reads(root), next: 0 }];
		state.set(root, "open");
		while (path.length > 0) {
			const step = path[path.length - 1] as Step;
			const input = step.reads[step.next++];
			if (input === undefined) {
				state.set(step.node, "done");
				sorted.push(step.node);
				path.pop();
				continue;
			}
			const producer = known.has(input) ? undefined : producers.get(input);
			if (producer === undefined || state.get(producer) === "done") continue;
			if (state.get(producer) === "open")
				throw cyclic(
					path.map(({ node }) => node),
					producer,
				);
			state.set(producer, "open");
			path.push({ node: producer, reads: reads(producer), next: 0 });
		}
	}
	return sorted;
}

/** A node on the way from a reader to what it reads. */
interface Step {
	readonly node: NodeProto;
	readonly reads: readonly string[];
	next: number;
}

function cyclic(path: readonly NodeProto[], start: NodeProto): ArtifactError {
	// The path runs from reader to producer; the data run the other way.
	const cycle = path.slice(path.indexOf(start)).reverse().map(nodeName);
	return new ArtifactError("PSGL_ONNX_CYCLE", {
		what: "nodes of the model wait for each other",
		got: [...cycle, cycle[0]].join(" -> "),
		expected: "a graph without cycles",
		remedy: "Write out recurrent connections, or export them as LSTM or GRU",
	});
}
