import { bytesPerElement } from "@psgl/sdk";
import type { Dim, Graph, Value } from "../graph/graph.js";
import { batchDim } from "./model-definition.js";

/** What runs of graphs take: bytes whatever the batch, and bytes of each sample. */
export interface TrainingMemory {
	readonly fixedBytes: number;
	readonly sampleBytes: number;
}

/** Two batches between which the need grows by the sample. */
const [small, large] = [2, 34];

/** What ONNX Runtime itself takes for the sessions of a small client segment (measured, linux-x64). */
const runtimeBytes = 12 * 2 ** 20;

/** What its allocator takes over what lives, as blocks are rounded up and convolutions unfold their input (bench/training-memory.ts). */
const allocatorFactor = 1.5;

/**
 * Memory that training takes on a device: the most bytes of values that live at one time in each of the graphs, inputs and outputs among
 * them, as ONNX Runtime frees a value after its last use. Added up, because each session keeps the memory it once had.
 */
export function trainingMemory(graphs: readonly Graph[]): TrainingMemory {
	const most = (batch: number) => graphs.reduce((sum, graph) => sum + peakBytes(graph, batch), runtimeBytes);
	const sampleBytes = Math.ceil((allocatorFactor * (most(large) - most(small))) / (large - small));
	return { fixedBytes: Math.max(0, most(small) - small * sampleBytes), sampleBytes };
}

function peakBytes(graph: Graph, batch: number): number {
	const bytes = ({ dtype, shape }: Value) =>
		bytesPerElement[dtype] * shape.reduce<number>((product, dim) => product * extent(dim, batch), 1);
	const lastUse = new Map<string, number>();
	graph.nodes.forEach((node, i) => {
		for (const value of node.inputs) if (value !== undefined) lastUse.set(value.name, i);
	});
	// The caller holds inputs and results.
	for (const { name } of [...graph.inputs, ...graph.outputs]) lastUse.set(name, Number.POSITIVE_INFINITY);
	const constants = [...graph.initializers.values()].reduce((sum, { data }) => sum + data.byteLength, 0);
	let live = graph.inputs.reduce((sum, input) => sum + bytes(input), constants);
	let peak = live;
	const alive = new Set<string>();
	graph.nodes.forEach((node, i) => {
		for (const value of node.outputs) {
			if (value === undefined) continue;
			live += bytes(value);
			alive.add(value.name);
		}
		peak = Math.max(peak, live);
		for (const value of [...node.inputs, ...node.outputs]) {
			if (value === undefined || (lastUse.get(value.name) ?? i) > i || !alive.delete(value.name)) continue;
			live -= bytes(value);
		}
	});
	return peak;
}

/** An extent only known at run time is the batch, or a multiple of it such as `256*B`. */
function extent(dim: Dim, batch: number): number {
	if (typeof dim === "number") return dim;
	return dim.split("*").reduce((product, factor) => product * (factor === batchDim ? batch : Number(factor)), 1);
}
