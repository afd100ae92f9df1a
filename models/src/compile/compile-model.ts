import { elementCount, type Random, type Tensor } from "@psgl/sdk";
import { type Artifact, decodeArtifact, encodeArtifact, type Manifest, type ManifestDraft } from "@psgl/sdk/artifact";
import { wireGraphs } from "../blocks/quantise.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Graph, Value } from "../graph/graph.js";
import type { ParameterLayout } from "../layers/parameter-layout.js";
import type { ParameterScope, SegmentLayout } from "../layers/parameter-scope.js";
import { TrainedParameters } from "../layers/trained-parameters.js";
import { encodeModel } from "../onnx/write.js";
import type { SplitNetwork } from "../zoo/split-network.js";
import { batchProducts } from "./batch-products.js";
import { checkFrozen } from "./check-frozen.js";
import { clientInferGraph, clientTrainingGraphs } from "./client-graphs.js";
import { codeGraphs } from "./code-graphs.js";
import { withDerivativeAdvice } from "./derivative-advice.js";
import { batchDim, layOut, type ModelDefinition, type ModelLayout } from "./model-definition.js";
import { privacyName } from "./privacy-name.js";
import { serverInferGraph, serverInferMaskedGraph, serverTrainGraph } from "./server-graphs.js";
import { sharedInputs, streamLogits } from "./server-streams.js";
import { tailGraphs } from "./tail-graphs.js";
import { trainingMemory } from "./training-memory.js";

/** Shapes and layouts of a definition. @throws ConfigError `PSGL_MODEL_INPUT`, `PSGL_MODEL_FROZEN`. */
export function modelLayout(definition: ModelDefinition): ModelLayout {
	const layout = layOut(definition, (g: GraphBuilder, scope: ParameterScope, smashed: Value) => {
		streamLogits(g, definition, scope, sharedInputs(smashed, smashed));
	});
	checkFrozen(definition.frozen, layout);
	return layout;
}

export interface CompileOptions {
	/** Name of the model, up to 64 characters. */
	readonly name: string;
	/** Draws the initial weights. */
	readonly random: Random;
	/** Element type of smashed data on the wire where a run's settings name none. Default: the run's. */
	readonly wire?: Manifest["wire"];
}

/** Compiles a definition with fresh weights into the bytes of a joint artifact (both halves; it never leaves the cloud). */
export async function compileModel(definition: ModelDefinition, options: CompileOptions): Promise<Uint8Array> {
	const layout = modelLayout(definition);
	const graphs = new Map<string, Uint8Array>();
	const built = withDerivativeAdvice(definition, () => modelGraphs(definition, layout));
	for (const graph of built) graphs.set(graph.name, encodeModel(graph));
	const { random } = options;
	const tensors = new Map([
		["client/params", vector(layout.client.params.initialise(random.fork("client")))],
		["client/stats", vector(layout.client.stats.initialise(random))],
		["client/head", vector(layout.head.params.initialise(random.fork("head")))],
		["server/params", vector(layout.server.params.initialise(random.fork("server")))],
		["server/stats", vector(layout.server.stats.initialise(random))],
	]);
	const trains = built.filter(({ name }) => trainingGraphs.includes(name));
	const draft = manifestDraft(definition, layout, options);
	return encodeArtifact({ ...draft, memory: trainingMemory(trains) }, graphs, tensors);
}

/** What a device trains with. */
const trainingGraphs: readonly string[] = ["client/forward", "client/train", "client/local"];

function modelGraphs(definition: ModelDefinition, layout: ModelLayout): readonly Graph[] {
	const client = clientTrainingGraphs(definition, layout);
	const graphs = [
		batchProducts(client.forward),
		batchProducts(client.activations),
		batchProducts(client.train),
		clientInferGraph(definition, layout),
		batchProducts(serverTrainGraph(definition, layout)),
		serverInferGraph(definition, layout),
		...wireGraphs([batchDim, ...layout.smashedShape]),
	];
	if (definition.code !== null) graphs.push(...codeGraphs(definition, layout, definition.code));
	if (definition.tail !== null) graphs.push(...tailGraphs(definition, layout, definition.tail).map(batchProducts));
	if (definition.recovery.kind === "masked") {
		graphs.push(serverInferMaskedGraph(definition, layout, maskedRank(definition.recovery.rank, layout)));
	}
	return graphs;
}

/** The prior cannot have more directions than smashed data have values. */
function maskedRank(rank: number, layout: ModelLayout): number {
	return Math.min(rank, elementCount(layout.smashedShape) - 1);
}

function manifestDraft(
	definition: ModelDefinition,
	layout: ModelLayout,
	{ name, wire }: CompileOptions,
): ManifestDraft {
	const trainedCount = (part: "client" | "head" | "server", params: ParameterLayout) =>
		new TrainedParameters(part, params, definition.frozen).layout.length;
	return {
		format: 1,
		part: "joint",
		name,
		version: 0,
		network: definition.network.name,
		inputShape: [...definition.inputShape],
		classes: [...definition.classes],
		packing: definition.packing,
		normalise: normaliseEntry(definition.network),
		smashedShape: [...layout.smashedShape],
		privacy: privacyName(definition),
		...(wire !== undefined && { wire }),
		code: definition.code,
		tail: definition.tail,
		disclosure: definition.disclosure,
		streams: [...definition.streams],
		cutGradient: definition.cutGradient,
		map: definition.map,
		robustBudget: definition.robustBudget,
		recovery:
			definition.recovery.kind === "masked"
				? { kind: "masked", rank: maskedRank(definition.recovery.rank, layout) }
				: definition.recovery,
		optimiser: definition.optimiser,
		headLearningRateFactor: definition.headLearningRateFactor,
		loss: definition.loss,
		gradientClipping: definition.gradientClipping,
		accumulationSteps: definition.accumulationSteps,
		frozen: [...definition.frozen],
		client: { ...segmentEntry(layout.client), trainedCount: trainedCount("client", layout.client.params) },
		head: {
			paramCount: layout.head.params.length,
			params: layoutEntries(layout.head.params),
			trainedCount: trainedCount("head", layout.head.params),
		},
		server: { ...segmentEntry(layout.server), trainedCount: trainedCount("server", layout.server.params) },
	};
}

function normaliseEntry({ imported }: SplitNetwork): Manifest["normalise"] {
	if (imported === undefined || imported.normalise === null) return null;
	const { mean, std } = imported.normalise;
	return { mean: [...mean], std: [...std] };
}

function segmentEntry(layout: SegmentLayout): NonNullable<Manifest["server"]> {
	return {
		params: layoutEntries(layout.params),
		stats: layoutEntries(layout.stats),
		paramCount: layout.params.length,
		statCount: layout.stats.length,
	};
}

function layoutEntries(layout: ParameterLayout): Manifest["client"]["params"] {
	return layout.entries.map(({ name, shape, offset }) => ({ name, shape: [...shape], offset }));
}

function vector(data: Float32Array): Tensor<"float32"> {
	return { dtype: "float32", dims: [data.length], data };
}

/**
 * The client half of a joint artifact, as a device gets it: nothing of the server segment is in it. The release of the joint
 * artifact, if it has one, speaks of this half and goes with it.
 */
export async function clientHalf(joint: Artifact): Promise<Uint8Array> {
	const forDevice = <T>(parts: ReadonlyMap<string, T>) =>
		new Map([...parts].filter(([name]) => name.startsWith("client/") || name.startsWith("wire/")));
	const { members: _, ...draft } = joint.manifest;
	return encodeArtifact({ ...draft, part: "client", server: null }, forDevice(joint.graphs), forDevice(joint.tensors), {
		release: joint.release,
	});
}

/** A joint artifact with other weights (and a masked prior), one version on. */
export async function withWeights(
	joint: Artifact,
	weights: ReadonlyMap<string, Tensor<"float32">>,
	note: string,
): Promise<Uint8Array> {
	const { members: _, ...draft } = joint.manifest;
	return encodeArtifact(
		{ ...draft, version: draft.version + 1, note },
		joint.graphs,
		new Map([...joint.tensors, ...weights]),
	);
}

/** Opens an artifact that was just compiled. */
export async function compileArtifact(definition: ModelDefinition, options: CompileOptions): Promise<Artifact> {
	return decodeArtifact(await compileModel(definition, options));
}
