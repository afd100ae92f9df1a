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
import { type ClientContext, clientContext, clientInput, dropoutSeed } from "./client-context.js";
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
	const batch = new Set(["x", "delta", "map", "dropoutSeed"]);
	const { forward: activations, backward: train } = keepActivations(wholeTrainingGraph(definition, layout), batch);
	const context = clientContext("client/forward", definition, layout);
	const { g } = context;
	const map = deviceMap(context, robustInput(context), true);
	const operand = (input: Value) => {
		if (input.name === "map") return map as Value;
		return input.name === "dropoutSeed" ? dropoutSeed(g)() : input;
	};
	const outputs = inlineGraph(g, activations, activations.inputs.map(operand));
	activations.outputs.forEach(({ name }, i) => void g.output(name, outputs[i] as Value));
	if (map !== undefined) g.output("map", map);
	return { forward: g.build(), activations: { ...activations, name: "client/activations" }, train };
}

/** `client/infer`: saliency map and client segment as deployed, with the running statistics, and the local head's answer. */
export function clientInferGraph(definition: ModelDefinition, layout: ModelLayout): Graph {
	const context = clientContext("client/infer", definition, layout);
	const { g } = context;
	const map = deviceMap(context, context.x, false);
	const input = clientInput(g, definition, context.x, map);
	const { smashed } = clientSegment(g, definition, context.client.scope(false), input);
	g.output("smashed", smashed);
	if (map !== undefined) g.output("map", map);
	const logits = localHead(g, context.head.scope(false), smashed, definition.classes.length);
	g.output("localScores", probabilitiesOf(g, definition.loss, logits));
	return g.build();
}

/**
 * A training step in one graph: the forward pass, its way back with the gradient that came from the aggregator, and one
 * optimiser step on the client segment and one on the local head. A tail is stepped with the client segment, by the gradient
 * of its own losses on the features that the aggregator sent.
 */
function wholeTrainingGraph(definition: ModelDefinition, layout: ModelLayout): Graph {
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
	const { smashed, constants } = clientSegment(g, definition, scope, clientInput(g, definition, x, map));
	const robust = definition.robustBudget > 0;
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
		const delta = deltaInput(context);
		const gradient = gradients.at(-1) ?? withoutInputGradient("the input");
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

/** The map the device puts on its own input, from the local head alone; of the whole segment, nothing dropped. */
function deviceMap(context: ClientContext, x: Value, training: boolean): Value | undefined {
	const { g, definition, client, head } = context;
	if (definition.map === null) return undefined;
	const budget = g.input("budget", "float32", []);
	const score = (graph: GraphBuilder, input: Value): Value => {
		const packed = clientInput(graph, definition, input, undefined);
		const { smashed, code } = clientSegment(graph, definition, client.scope(training), packed);
		// Rounding has no gradient: the map of a code is that of its numbers.
		return localHead(graph, head.scope(training), code?.numbers ?? smashed, definition.classes.length);
	};
	return saliencyMap(g, score, x, { form: definition.map.form, norm: definition.map.norm, budget }).map;
}
