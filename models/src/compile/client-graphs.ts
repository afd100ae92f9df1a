import { differentiate } from "../autodiff/differentiate.js";
import { packClientInput } from "../blocks/reversible-downsampling.js";
import { robustPerturbation } from "../blocks/robust-perturbation.js";
import { perturb, saliencyMap } from "../blocks/saliency-map.js";
import { GraphBuilder } from "../graph/builder.js";
import type { Graph, Value } from "../graph/graph.js";
import { type BoundSegment, bindSegment, type DropoutSeed, packStatistics } from "../layers/parameter-scope.js";
import { TrainedParameters } from "../layers/trained-parameters.js";
import { lossOf, probabilitiesOf, targetShape } from "../losses/loss.js";
import { batchDim, localHead, type ModelDefinition, type ModelLayout } from "./model-definition.js";
import { updateParameters } from "./update-parameters.js";

/** The inputs all client graphs share. */
interface ClientContext {
	readonly g: GraphBuilder;
	readonly definition: ModelDefinition;
	readonly client: BoundSegment;
	readonly head: BoundSegment;
	/** [B,C,...] in [0,1] */
	readonly x: Value;
	readonly params: Value;
	readonly headParams: Value;
}

function clientContext(name: string, definition: ModelDefinition, layout: ModelLayout): ClientContext {
	const g = new GraphBuilder(name);
	const x = g.input("x", "float32", [batchDim, ...definition.inputShape]);
	const params = g.input("params", "float32", [layout.client.params.length]);
	const stats = g.input("stats", "float32", [layout.client.stats.length]);
	const headParams = g.input("head", "float32", [layout.head.params.length]);
	const noStats = g.floats([]);
	return {
		g,
		definition,
		client: bindSegment(g, layout.client, params, stats),
		head: bindSegment(g, layout.head, headParams, noStats),
		x,
		params,
		headParams,
	};
}

/** `client/forward`: robust perturbation, saliency map and client segment, with the statistics of the batch. */
export function clientForwardGraph(definition: ModelDefinition, layout: ModelLayout): Graph {
	const context = clientContext("client/forward", definition, layout);
	const { g } = context;
	const x = robustInput(context);
	const { smashed, map } = perturbAndForward(context, x, true);
	g.output("smashed", smashed);
	if (map !== undefined) g.output("map", map);
	return g.build();
}

/** `client/infer`: saliency map and client segment as deployed, with the running statistics, and the local head's answer. */
export function clientInferGraph(definition: ModelDefinition, layout: ModelLayout): Graph {
	const context = clientContext("client/infer", definition, layout);
	const { g } = context;
	const { smashed, map } = perturbAndForward(context, context.x, false);
	g.output("smashed", smashed);
	if (map !== undefined) g.output("map", map);
	const logits = localHead(g, context.head.scope(false), smashed, definition.classes.length);
	g.output("localScores", probabilitiesOf(g, definition.loss, logits));
	return g.build();
}

/**
 * `client/train`: recomputes the forward pass, takes it back with the gradient that came from the
 * aggregator, and makes one optimiser step on the client segment and one on the local head.
 * Recomputing costs one forward pass and saves keeping the activations of every batch in flight.
 */
export function clientTrainGraph(definition: ModelDefinition, layout: ModelLayout): Graph {
	const context = clientContext("client/train", definition, layout);
	const { g, client, head } = context;
	const x = robustInput(context);
	const y = g.input("y", "int64", targetShape(definition.loss, batchDim, definition.classes.length));
	const cutGradient = g.input("cutGradient", "float32", [batchDim, ...layout.smashedShape]);
	const learningRate = g.input("learningRate", "float32", []);
	const headLearningRate = g.input("headLearningRate", "float32", []);
	const step = g.input("step", "float32", []);
	const map = definition.map === null ? undefined : g.input("map", "float32", [batchDim, ...definition.inputShape]);

	const scope = client.scope(true, dropoutSeed(g));
	const smashed = definition.network.client(g, scope, clientInput(g, definition, x, map));
	const robust = definition.robustBudget > 0;
	const seeds = [{ value: smashed, gradient: cutGradient }];
	const trained = new TrainedParameters("client", layout.client.params, definition.frozen);
	const wrt = trained.select(client.values);
	const gradients = differentiate(g, seeds, robust ? [...wrt, x] : wrt);
	const { params, headParams } = context;
	const names = { slots: "slots", params: "params" };
	updateParameters(g, definition, trained, { params, gradients, learningRate, step }, names);
	g.output("next_stats", packStatistics(g, client, scope));

	const logits = localHead(g, head.scope(true), smashed, definition.classes.length);
	const localLoss = lossOf(g, definition.loss, { logits, target: y });
	const trainedHead = new TrainedParameters("head", layout.head.params, definition.frozen);
	const headGradients = differentiate(g, [{ value: localLoss }], trainedHead.select(head.values), [smashed]);
	const headOperands = { params: headParams, gradients: headGradients, learningRate: headLearningRate, step };
	updateParameters(g, definition, trainedHead, headOperands, { slots: "headSlots", params: "head" });
	g.output("localLoss", localLoss);

	if (robust) {
		const budget = g.input("robustBudget", "float32", []);
		const delta = deltaInput(context);
		const gradient = gradients.at(-1) as Value;
		g.output("next_delta", robustPerturbation(g, delta, gradient, budget));
	}
	return g.build();
}

/** The input with the robust perturbation on it, kept inside [0,1]. */
function robustInput(context: ClientContext): Value {
	const { g, definition, x } = context;
	if (definition.robustBudget === 0) return x;
	return perturb(g, x, g.input("delta", "float32", [batchDim, ...definition.inputShape]));
}

function deltaInput(context: ClientContext): Value {
	return { name: "delta", dtype: "float32", shape: [batchDim, ...context.definition.inputShape] };
}

function perturbAndForward(
	context: ClientContext,
	x: Value,
	training: boolean,
): { smashed: Value; map: Value | undefined } {
	const { g, definition, client } = context;
	const map = deviceMap(context, x, training);
	const scope = client.scope(training, training ? dropoutSeed(g) : undefined);
	return { smashed: definition.network.client(g, scope, clientInput(g, definition, x, map)), map };
}

/** The input `dropoutSeed`, int64 [], which only the graphs of a client segment with dropout have. */
function dropoutSeed(g: GraphBuilder): DropoutSeed {
	let seed: Value | undefined;
	return () => {
		seed ??= g.input("dropoutSeed", "int64", []);
		return seed;
	};
}

/** The map the device puts on its own input, from the local head alone; of the whole segment, nothing dropped. */
function deviceMap(context: ClientContext, x: Value, training: boolean): Value | undefined {
	const { g, definition, client, head } = context;
	if (definition.map === null) return undefined;
	const budget = g.input("budget", "float32", []);
	const score = (graph: GraphBuilder, input: Value): Value => {
		const smashed = definition.network.client(
			graph,
			client.scope(training),
			clientInput(graph, definition, input, undefined),
		);
		return localHead(graph, head.scope(training), smashed, definition.classes.length);
	};
	return saliencyMap(g, score, x, { form: definition.map.form, norm: definition.map.norm, budget }).map;
}

/** Adds the map, keeps the sum inside [0,1] and packs it as the client segment takes it. */
export function clientInput(g: GraphBuilder, definition: ModelDefinition, x: Value, map: Value | undefined): Value {
	const perturbed = map === undefined ? x : perturb(g, x, map);
	return definition.packing === "none" ? perturbed : packClientInput(g, perturbed, map);
}
