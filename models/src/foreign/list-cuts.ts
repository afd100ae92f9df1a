import { ConfigError, elementCount } from "@psgl/sdk";
import { type Node, staticShape, type Value } from "../graph/graph.js";
import { type DeviceProfile, deviceProfiles } from "./device-profiles.js";
import type { ForeignModel } from "./foreign-model.js";
import { joinedShape } from "./join-tensors.js";
import { elementsPerSample, type NodeCost, nodeCost, reshaping } from "./node-cost.js";
import { dependents, isCuttable, type SplitModel, splitAt } from "./split-model.js";

/** Most tensors of one cut. */
const maxTensors = 5;

/** One place to cut a model at and what it costs the device, for one sample. */
export interface CutCandidate {
	/** Tensors by their names in the file. */
	readonly cut: readonly string[];
	/** [Cs,...] */
	readonly smashedShape: readonly number[];
	/** Bytes of smashed data. int8 has a scale of 4 bytes for each channel and batch, float16 one for a batch. */
	readonly bytesUp: { readonly float32: number; readonly float16: number; readonly int8: number };
	readonly clientParameters: number;
	/** Millions of floating-point operations of the client segment. */
	readonly forwardMflop: number;
	readonly backwardMflop: number;
	/** Operations of the client segment going forward as a share of the whole model's. */
	readonly clientShare: number;
	/** Most bytes of activations at one time in training: all of them, and the two largest gradients. */
	readonly activationBytes: number;
	/** Estimates by board, in milliseconds. */
	readonly estimates: readonly CutEstimate[];
}

export interface CutEstimate {
	readonly device: string;
	readonly inferMs: number;
	/** Forward, and once more with the backward pass, as `client/train` does it. */
	readonly trainMs: number;
}

/**
 * Every place to cut a model at, from the input on: after each node the tensors that are still needed, where these are
 * at most five and separate input from output with weights on both sides, and all nodes behind have a derivative. Of cuts that differ only in the shape of a
 * tensor the first is listed.
 */
export function listCuts(model: ForeignModel): readonly CutCandidate[] {
	const names = new Map<string, string>();
	for (const [name, value] of model.tensors) if (!names.has(value.name)) names.set(value.name, name);
	const costs = costsOf(model);
	const seen = new Set<string>();
	const candidates: CutCandidate[] = [];
	for (const frontier of frontiers(model)) {
		const key = frontier
			.map((value) => root(model, value))
			.sort()
			.join("\n");
		const named = frontier.flatMap((value) => names.get(value.name) ?? []);
		if (seen.has(key) || named.length < frontier.length) continue;
		const split = separating(model, frontier);
		if (split === undefined) continue;
		seen.add(key);
		candidates.push(candidate(split, named, costs));
	}
	return candidates;
}

/** After each node: the values computed so far from the input that later nodes need. */
function frontiers(model: ForeignModel): readonly (readonly Value[])[] {
	const fromInput = dependents(model.nodes, new Set([model.input.name]));
	const lastReader = new Map<string, number>([[model.logits.name, model.nodes.length]]);
	model.nodes.forEach((node, i) => {
		for (const value of node.inputs) {
			if (value !== undefined && value.name !== model.logits.name) lastReader.set(value.name, i);
		}
	});
	let alive: readonly Value[] = [model.input];
	return model.nodes.flatMap((node, i) => {
		const made = node.outputs.filter((v): v is Value => v !== undefined && fromInput.has(v.name));
		alive = [...alive, ...made].filter((value) => (lastReader.get(value.name) ?? -1) > i);
		const usable = made.length > 0 && alive.length <= maxTensors && alive.every(isCuttable);
		return usable && !alive.some((value) => value.name === model.input.name) ? [alive] : [];
	});
}

function separating(model: ForeignModel, cut: readonly Value[]): SplitModel | undefined {
	try {
		const split = splitAt(model, cut);
		// The aggregator sends back a gradient, so all behind the cut needs a derivative.
		return split.server.some((node) => node.declared !== undefined) ? undefined : split;
	} catch (error) {
		if (error instanceof ConfigError) return undefined;
		throw error;
	}
}

/** The value a tensor is a mere reshaping of. */
function root(model: ForeignModel, value: Value): string {
	const producer = model.nodes.find((node) => node.outputs.some((o) => o?.name === value.name));
	const [source] = producer?.inputs ?? [];
	return producer !== undefined && source !== undefined && reshaping.has(producer.type)
		? root(model, source)
		: value.name;
}

interface CutCost extends NodeCost {
	/** Bytes of the activations kept of a sample. */
	readonly output: number;
}

/** Costs of the nodes that depend on the input; what only depends on weights is small. */
function costsOf(model: ForeignModel): ReadonlyMap<Node, CutCost> {
	const fromInput = dependents(model.nodes, new Set([model.input.name]));
	const fromWeights = dependents(model.nodes, model.parameters);
	const costs = new Map<Node, CutCost>();
	for (const node of model.nodes) {
		if (!node.outputs.some((o) => o !== undefined && fromInput.has(o.name))) continue;
		const weights = node.inputs.slice(1).filter((v) => v !== undefined && !fromInput.has(v.name));
		const trained = weights.some((v) => v !== undefined && fromWeights.has(v.name));
		const output = 4 * node.outputs.slice(0, 1).reduce((sum, v) => sum + elementsPerSample(v?.shape ?? [0]), 0);
		costs.set(node, { ...nodeCost(node, trained), output: reshaping.has(node.type) ? 0 : output });
	}
	return costs;
}

function candidate(split: SplitModel, cut: readonly string[], costs: ReadonlyMap<Node, CutCost>): CutCandidate {
	const { model, client, clientParameters } = split;
	const own = client.flatMap((node) => costs.get(node) ?? []);
	const whole = [...costs.values()].reduce((sum, { forward }) => sum + forward, 0);
	const total = (part: "forward" | "backward" | "output") => own.reduce((sum, cost) => sum + cost[part], 0);
	const outputs = own.map(({ output }) => output).sort((a, b) => b - a);
	const smashedShape = joinedShape(split.cut.map((v) => staticShape(v.shape.slice(1)) as readonly number[]));
	const values = elementCount(smashedShape);
	const channels = smashedShape[0] as number;
	return {
		cut,
		smashedShape,
		bytesUp: { float32: 4 * values, float16: 2 * values + 4, int8: values + 4 * channels },
		clientParameters: [...clientParameters].reduce(
			(sum, name) => sum + elementCount(model.constants.get(name)?.dims ?? [0]),
			0,
		),
		forwardMflop: total("forward") / 1e6,
		backwardMflop: total("backward") / 1e6,
		clientShare: total("forward") / whole,
		activationBytes: 4 * elementsPerSample(model.input.shape) + total("output") + (outputs[0] ?? 0) + (outputs[1] ?? 0),
		estimates: deviceProfiles.map((profile) => estimate(profile, own)),
	};
}

/** Each node takes as long as the slower of computing and moving its data (Williams et al., CACM 52(4), 2009). */
function estimate(profile: DeviceProfile, nodes: readonly CutCost[]): CutEstimate {
	const milliseconds = (flop: number, bytes: number) =>
		Math.max(flop / (profile.sustainedGflops * 1e6), bytes / (profile.memoryGigabytes * 1e6));
	const forward = nodes.reduce((sum, n) => sum + milliseconds(n.forward, n.bytes), 0);
	const backward = nodes.reduce((sum, n) => sum + milliseconds(n.backward, 2 * n.bytes), 0);
	return { device: profile.name, inferMs: forward, trainMs: 2 * forward + backward };
}
