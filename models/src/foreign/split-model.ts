import { ConfigError } from "@psgl/sdk";
import { batchDim } from "../compile/model-definition.js";
import { formatShape, type Node, staticShape, type Value } from "../graph/graph.js";
import type { ForeignModel } from "./foreign-model.js";
import { joinedShape } from "./join-tensors.js";
import { nearestNames } from "./nearest-names.js";

/** Largest extent of smashed data, as manifests have it. */
const maxExtent = 65_536;

/** A model in two parts: nodes in front of the cut and nodes behind it. */
export interface SplitModel {
	readonly model: ForeignModel;
	/** Tensors that travel, [B,...] each. */
	readonly cut: readonly Value[];
	readonly client: readonly Node[];
	readonly server: readonly Node[];
	readonly clientParameters: ReadonlySet<string>;
	readonly serverParameters: ReadonlySet<string>;
}

/**
 * Splits a model at tensors of the file.
 * @throws ConfigError `PSGL_CUT_UNKNOWN` with the nearest names, `PSGL_CUT_TENSOR`, and as `splitAt`
 */
export function splitModel(model: ForeignModel, names: readonly string[]): SplitModel {
	const cut = names.map((name) => {
		const value = model.tensors.get(name);
		if (value !== undefined && !model.constants.has(value.name)) return value;
		const computed = [...model.tensors].filter(([, v]) => isCuttable(v)).map(([n]) => n);
		throw new ConfigError("PSGL_CUT_UNKNOWN", {
			what: "the model computes no tensor of that name",
			got: name,
			expected: `a name such as ${nearestNames(name, computed).join(", ")}`,
			remedy: "See all with psgl compile --onnx FILE --list-cuts",
		});
	});
	cut.forEach((value, i) => {
		if (isCuttable(value)) return;
		throw new ConfigError("PSGL_CUT_TENSOR", {
			what: `${names[i]} cannot be cut at`,
			got: `${value.dtype} ${formatShape(value.shape)}`,
			expected: "float32, its first axis the samples of the batch and the others of known size",
			remedy: "Choose one of psgl compile --onnx FILE --list-cuts",
		});
	});
	return splitAt(model, [...new Set(cut)]);
}

/** Whether a tensor has one row for each sample of the batch. */
export function isCuttable({ dtype, shape }: Value): boolean {
	return dtype === "float32" && shape[0] === batchDim && shape.length > 1 && staticShape(shape.slice(1)) !== undefined;
}

/**
 * Splits a model at values of its graph.
 * @throws ConfigError `PSGL_CUT_NOT_SEPARATING` naming what goes past the cut, `PSGL_CUT_EMPTY` when a side has nothing
 * to train, `PSGL_CUT_SHARED_WEIGHT` when both sides use a weight, `PSGL_CUT_TENSOR` for a tensor nothing behind needs
 */
export function splitAt(model: ForeignModel, cut: readonly Value[]): SplitModel {
	const names = new Set(cut.map((v) => v.name));
	const largest = Math.max(...joinedShape(cut.map((v) => staticShape(v.shape.slice(1)) ?? [])));
	if (largest > maxExtent) {
		throw new ConfigError("PSGL_CUT_TENSOR", {
			what: "the smashed data of this cut are too large for a message",
			got: `an axis of ${largest}`,
			expected: `at most ${maxExtent}`,
			remedy: "Cut elsewhere; psgl compile --onnx FILE --list-cuts shows where",
		});
	}
	if (names.has(model.input.name)) throw nothingToTrain(model, cut, "device");
	const client = ancestors(model.nodes, names, new Set());
	const server = ancestors(model.nodes, new Set([model.logits.name]), names);
	const needed = namesRead(server).add(model.logits.name);
	const unread = cut.find((value) => !needed.has(value.name));
	if (unread !== undefined) {
		throw new ConfigError("PSGL_CUT_TENSOR", {
			what: "a tensor of the cut is not needed behind it",
			got: fileName(model, unread),
			remedy: "Leave it out",
		});
	}
	if (dependents(server, new Set([model.input.name])).has(model.logits.name)) throw notSeparating(model, cut, client);
	const clientParameters = parametersOf(model, client);
	const serverParameters = parametersOf(model, server);
	for (const [side, own] of [
		["device", clientParameters],
		["aggregator", serverParameters],
	] as const) {
		if (own.size === 0) throw nothingToTrain(model, cut, side);
	}
	const shared = [...clientParameters].find((name) => serverParameters.has(name));
	if (shared !== undefined) {
		throw new ConfigError("PSGL_CUT_SHARED_WEIGHT", {
			what: "device and aggregator would both train a weight the model uses in two places",
			got: shared,
			remedy: "Cut where all its uses are on one side; psgl compile --onnx FILE --list-cuts shows where",
		});
	}
	return { model, cut, client, server, clientParameters, serverParameters };
}

/** Nodes that compute the values called `wanted`, not going past those called `stop`. */
function ancestors(nodes: readonly Node[], wanted: ReadonlySet<string>, stop: ReadonlySet<string>): readonly Node[] {
	const needed = new Set([...wanted].filter((name) => !stop.has(name)));
	const found: Node[] = [];
	for (let i = nodes.length - 1; i >= 0; i--) {
		const node = nodes[i] as Node;
		if (!node.outputs.some((o) => o !== undefined && needed.has(o.name))) continue;
		for (const input of node.inputs) if (input !== undefined && !stop.has(input.name)) needed.add(input.name);
		found.push(node);
	}
	return found.reverse();
}

const namesRead = (nodes: readonly Node[]): Set<string> =>
	new Set(nodes.flatMap((node) => node.inputs.flatMap((v) => (v === undefined ? [] : [v.name]))));

/** Names of all values that depend on one of `roots`, those among them. */
export function dependents(nodes: readonly Node[], roots: ReadonlySet<string>): Set<string> {
	const reached = new Set(roots);
	for (const node of nodes) {
		if (!node.inputs.some((v) => v !== undefined && reached.has(v.name))) continue;
		for (const output of node.outputs) if (output !== undefined) reached.add(output.name);
	}
	return reached;
}

function parametersOf(model: ForeignModel, nodes: readonly Node[]): ReadonlySet<string> {
	return new Set([...namesRead(nodes)].filter((name) => model.parameters.has(name)));
}

/** The name a value has in the file. */
export function fileName(model: ForeignModel, value: Value): string {
	for (const [name, known] of model.tensors) if (known.name === value.name) return name;
	return value.name;
}

function nothingToTrain(model: ForeignModel, cut: readonly Value[], side: "device" | "aggregator"): ConfigError {
	return new ConfigError("PSGL_CUT_EMPTY", {
		what: `this cut leaves the ${side} nothing to train`,
		got: cut.map((value) => fileName(model, value)).join(","),
		remedy: `Cut ${side === "device" ? "later" : "earlier"}; psgl compile --onnx FILE --list-cuts shows where`,
	});
}

/** What goes from the device's side to the logits without being part of the cut. */
function notSeparating(model: ForeignModel, cut: readonly Value[], client: readonly Node[]): ConfigError {
	const chosen = new Set(cut.map((v) => v.name));
	const onDevice = new Set([model.input.name, ...client.flatMap((n) => n.outputs.map((o) => o?.name ?? ""))]);
	const fromInput = dependents(model.nodes, new Set([model.input.name]));
	const behind = ancestors(model.nodes, new Set([model.logits.name]), onDevice);
	const crossing = [
		...new Map(
			[...behind.flatMap((n) => n.inputs), model.logits].flatMap((v) =>
				v === undefined ? [] : [[v.name, v] as const],
			),
		).values(),
	].filter((v) => onDevice.has(v.name) && fromInput.has(v.name));
	const missing = crossing.filter((v) => !chosen.has(v.name));
	const names = (values: readonly Value[]) => values.map((v) => fileName(model, v)).join(",");
	const inputCrosses = missing.some((v) => v.name === model.input.name);
	return new ConfigError("PSGL_CUT_NOT_SEPARATING", {
		what: "the cut does not separate input from output: a path goes past it",
		got: `cut ${names(cut)}; past it go ${names(missing)}`,
		expected: "tensors that every path from input to output runs through",
		remedy: inputCrosses
			? "The input itself would have to be sent; choose another of psgl compile --onnx FILE --list-cuts"
			: `Cut all of them: --cut ${names(crossing)}`,
	});
}
