import type { CodeSettings } from "@psgl/sdk/artifact";
import { isMultiLabel } from "@psgl/sdk/artifact";
import { differentiate } from "../autodiff/differentiate.js";
import { inputGradient } from "../autodiff/input-gradient.js";
import { adversarialSamples } from "../blocks/adversarial-samples.js";
import { augmented } from "../blocks/augmentation.js";
import { codeLevels } from "../blocks/quantise-code.js";
import { withinClassShare } from "../blocks/within-class-share.js";
import { GraphBuilder } from "../graph/builder.js";
import type { Graph, Value } from "../graph/graph.js";
import { packStatistics } from "../layers/parameter-scope.js";
import { TrainedParameters } from "../layers/trained-parameters.js";
import { lossOf, probabilitiesOf, targetShape } from "../losses/loss.js";
import { clientContext, clientInput, dropoutSeed } from "./client-context.js";
import { clientSegment } from "./client-segment.js";
import { batchDim, localHead, type ModelDefinition, type ModelLayout } from "./model-definition.js";
import { updateParameters } from "./update-parameters.js";

/** The graphs that a cut which is a code adds. */
export function codeGraphs(definition: ModelDefinition, layout: ModelLayout, code: CodeSettings): readonly Graph[] {
	return [clientLocalGraph(definition, layout), clientCodeGraph(definition, layout), decodeGraph(code)];
}

/**
 * `client/local`: one optimiser step of client segment and local head on the device's own labels, without the aggregator.
 * The loss is that of the local head, plus `shieldWeight` [] times the share of the code's scatter within the classes. With robust training it
 * is taken on samples changed for the worse within `robustBudget` [].
 */
export function clientLocalGraph(definition: ModelDefinition, layout: ModelLayout): Graph {
	const context = clientContext("client/local", definition, layout);
	const { g, client, head, params, headParams } = context;
	const classes = definition.classes.length;
	const y = g.input("y", "int64", targetShape(definition.loss, batchDim, classes));
	const learningRate = g.input("learningRate", "float32", []);
	const headLearningRate = g.input("headLearningRate", "float32", []);
	const step = g.input("step", "float32", []);
	const shieldWeight = g.input("shieldWeight", "float32", []);
	const seed = dropoutSeed(g);

	const { augmentation } = definition;
	const seen =
		augmentation === null ? context.x : augmented(g, context.x, augmentation, { seed: seed(), name: "augmentation" });
	const answer = (samples: Value) => {
		const scope = client.scope(true, seed);
		const cut = clientSegment(g, definition, scope, clientInput(g, definition, samples, undefined));
		const logits = localHead(g, head.scope(true), cut.smashed, classes);
		return { scope, cut, loss: lossOf(g, definition.loss, { logits, target: y }) };
	};
	const robust = definition.robustBudget > 0;
	const x = robust
		? adversarialSamples(g, seen, {
				seed: seed(),
				name: "adversarial",
				budget: g.input("robustBudget", "float32", []),
				gradient: (samples) => {
					const { loss, cut } = answer(samples);
					return inputGradient(g, [{ value: loss }], samples, cut.constants);
				},
			})
		: seen;
	const { scope, cut, loss } = answer(x);
	const seeds = [{ value: loss }];
	if (cut.code !== undefined && !isMultiLabel(definition.loss)) {
		const share = withinClassShare(g, cut.code.numbers, y, classes);
		seeds.push({ value: g.add("Mul", [share, shieldWeight]) });
		g.output("withinClassShare", share);
	}
	const trained = new TrainedParameters("client", layout.client.params, definition.frozen);
	const trainedHead = new TrainedParameters("head", layout.head.params, definition.frozen);
	const own = trained.select(client.values);
	const wrt = [...own, ...trainedHead.select(head.values)];
	const gradients = differentiate(g, seeds, wrt, robust ? [...cut.constants, x] : cut.constants);
	const ofClient = { params, gradients: gradients.slice(0, own.length), learningRate, step };
	updateParameters(g, definition, trained, ofClient, { slots: "slots", params: "params" });
	const ofHead = {
		params: headParams,
		gradients: gradients.slice(own.length),
		learningRate: headLearningRate,
		step,
	};
	updateParameters(g, definition, trainedHead, ofHead, { slots: "headSlots", params: "head" });
	g.output("next_stats", packStatistics(g, client, scope));
	g.output("localLoss", loss);
	return g.build();
}

/** `client/code`: level indices uint8 [B,k] of samples, with the running statistics, and the local head's answer. */
export function clientCodeGraph(definition: ModelDefinition, layout: ModelLayout): Graph {
	const { g, client, head, x } = clientContext("client/code", definition, layout);
	const input = clientInput(g, definition, x, undefined);
	const { smashed, code } = clientSegment(g, definition, client.scope(false), input);
	g.output("code", code?.indices as Value);
	const logits = localHead(g, head.scope(false), smashed, definition.classes.length);
	g.output("localScores", probabilitiesOf(g, definition.loss, logits));
	return g.build();
}

/** `wire/decode.code`: from level indices uint8 [B,k] to the levels. */
function decodeGraph({ numbers, bits }: CodeSettings): Graph {
	const g = new GraphBuilder("wire/decode.code");
	g.output("levels", codeLevels(g, g.input("code", "uint8", [batchDim, numbers]), bits));
	return g.build();
}
