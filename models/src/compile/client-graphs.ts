import { differentiate } from "../autodiff/differentiate.js";
import { withoutInputGradient } from "../autodiff/input-gradient.js";
import { robustPerturbation } from "../blocks/robust-perturbation.js";
import { perturb, saliencyMap } from "../blocks/saliency-map.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Graph, Value } from "../graph/graph.js";
import { inlineGraph } from "../graph/inline-graph.js";
import { packStatistics } from "../layers/parameter-scope.js";
import { TrainedParameters } from "../layers/trained-parameters.js";
import { lossOf, probabilitiesOf, targetShape } from "../losses/loss.js";
import { arrangedSamples } from "./arranged-samples.js";
import { type ClientContext, clientContext, dropoutSeed } from "./client-context.js";
import { clientSegment } from "./client-segment.js";
import { featuresInput } from "./device-tail.js";
import { keepActivations } from "./keep-activations.js";
import { batchDim, localHead, type ModelDefinition, type ModelLayout } from "./model-definition.js";
import { tailLosses } from "./tail-graphs.js";
import { updateParameters } from "./update-parameters.js";

/** What a client segment is trained with. */
export interface ClientTrainingGraphs {
	/** `client/forward`: robust perturbation, saliency map and client segment, with the statistics of the batch. */
	readonly forward: Graph;
	/** `client/activations`: of a batch whose map is known, what `client/train` needs of its forward pass. */
	readonly activations: Graph;
	/** `client/train`: from the activations and the gradient at the cut one step of client segment and local head. */
	readonly train: Graph;
}

/**
 * The graphs of a training step. A device keeps the activations of a batch until its gradient comes, or computes them again
 * where it has no room.
 */
export function clientTrainingGraphs(definition: ModelDefinition, layout: ModelLayout): ClientTrainingGraphs {
	const batch = new Set(["x", "map", "dropoutSeed"]);
	const { forward: kept, backward: train } = keepActivations(wholeTrainingGraph(definition, layout), batch);
	const samples = arrangedSamples(definition);
	const activations = activationGraph(clientContext("client/activations", definition, layout), kept, (context) => {
		if (definition.map === null) return undefined;
		return samples.arrange(context.g, context.g.input("map", "float32", [batchDim, ...definition.inputShape]));
	});
	const forward = activationGraph(clientContext("client/forward", definition, layout), kept, (context, x) => {
		const map = deviceMap(context, x, true);
		if (map !== undefined) context.g.output("map", samples.restore(context.g, map));
		return map;
	});
	const read = new Set(activations.nodes.flatMap(({ inputs }) => inputs.map((value) => value?.name)));
	return {
		forward,
		activations: { ...activations, inputs: activations.inputs.filter(({ name }) => read.has(name)) },
		train,
	};
}

/** The outputs of `kept`, the forward pass of a batch that is arranged and whose map is known, of a batch as it is. */
function activationGraph(
	context: ClientContext,
	kept: Graph,
	mapOf: (context: ClientContext, x: Value) => Value | undefined,
): Graph {
	const { g, definition } = context;
	const x = arrangedSamples(definition).arrange(g, robustInput(context));
	const given = new Map([
		["x", x],
		["map", mapOf(context, x)],
	]);
	const operand = (input: Value) => given.get(input.name) ?? (input.name === "dropoutSeed" ? dropoutSeed(g)() : input);
	const outputs = inlineGraph(g, kept, kept.inputs.map(operand), (_, { type }, [source]) =>
		type === "Identity" ? source : undefined,
	);
	kept.outputs.forEach(({ name }, i) => void g.output(name, outputs[i] as Value));
	return g.build();
}

/** `client/infer`: saliency map and client segment as deployed, with the running statistics, and the local head's answer. */
export function clientInferGraph(definition: ModelDefinition, layout: ModelLayout): Graph {
	const context = clientContext("client/infer", definition, layout);
	const { g } = context;
	const samples = arrangedSamples(definition);
	const x = samples.arrange(g, context.x);
	const map = deviceMap(context, x, false);
	const { smashed } = clientSegment(g, definition, context.client.scope(false), samples.input(g, x, map));
	g.output("smashed", smashed);
	if (map !== undefined) g.output("map", samples.restore(g, map));
	const logits = localHead(g, context.head.scope(false), smashed, definition.classes.length);
	g.output("localScores", probabilitiesOf(g, definition.loss, logits));
	return g.build();
}

/**
 * A training step on arranged samples in one graph: the forward pass, its way back with the gradient that came from the aggregator, and one
 * optimiser step on the client segment and one on the local head. A tail is stepped with the client segment, by the gradient
 * of its own losses on the features that the aggregator sent.
 */
function wholeTrainingGraph(definition: ModelDefinition, layout: ModelLayout): Graph {
	const samples = arrangedSamples(definition);
	const context = clientContext("client/train", definition, layout, samples.shape);
	const { g, client, head } = context;
	const robust = definition.robustBudget > 0;
	// Of a robust perturbation, a value of its own, which is kept where the way back reads it.
	const x = robust ? g.add("Identity", [context.x]) : context.x;
	const y = g.input("y", "int64", targetShape(definition.loss, batchDim, definition.classes.length));
	const cutGradient = g.input("cutGradient", "float32", [batchDim, ...layout.smashedShape]);
	const learningRate = g.input("learningRate", "float32", []);
	const headLearningRate = g.input("headLearningRate", "float32", []);
	const step = g.input("step", "float32", []);
	const map = definition.map === null ? undefined : g.input("map", "float32", samples.shape);

	const scope = client.scope(true, dropoutSeed(g));
	const { smashed, constants } = clientSegment(g, definition, scope, samples.input(g, x, map));
	const { tail } = definition;
	const features = tail === null ? undefined : featuresInput(g, definition, tail);
	const ownLosses = features === undefined ? [] : tailLosses(g, definition, { features, target: y, scope });
	const seeds = [{ value: smashed, gradient: cutGradient }, ...ownLosses.map((value) => ({ value }))];
	const trained = new TrainedParameters("client", layout.client.params, definition.frozen);
	const wrt = trained.select(client.values);
	const gradients = differentiate(g, seeds, robust ? [...wrt, x] : wrt, constants);
	g.output("smashed", smashed);
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
		const gradient = samples.restore(g, gradients.at(-1) ?? withoutInputGradient("the input"));
		g.output("next_delta", robustPerturbation(g, deltaInput(context), gradient, budget));
	}
	return g.build();
}

/** The input with the robust perturbation on it, kept inside [0,1]. */
function robustInput(context: ClientContext): Value {
	const { g, definition, x } = context;
	return definition.robustBudget === 0 ? x : perturb(g, x, deltaInput(context));
}

function deltaInput({ g, definition }: ClientContext): Value {
	return g.input("delta", "float32", [batchDim, ...definition.inputShape]);
}

/** The map the device puts on its own arranged input, from the local head alone; of the whole segment, nothing dropped. */
function deviceMap(context: ClientContext, x: Value, training: boolean): Value | undefined {
	const { g, definition, client, head } = context;
	if (definition.map === null) return undefined;
	const budget = g.input("budget", "float32", []);
	const score = (graph: GraphBuilder, input: Value): Value => {
		const packed = arrangedSamples(definition).input(graph, input, undefined);
		const { smashed, code } = clientSegment(graph, definition, client.scope(training), packed);
		// Rounding has no gradient: the map of a code is that of its numbers.
		return localHead(graph, head.scope(training), code?.numbers ?? smashed, definition.classes.length);
	};
	return saliencyMap(g, score, x, { form: definition.map.form, norm: definition.map.norm, budget }).map;
}
