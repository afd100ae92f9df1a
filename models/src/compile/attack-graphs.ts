import { differentiate } from "../autodiff/differentiate.js";
import { saliencyMap } from "../blocks/saliency-map.js";
import { GraphBuilder } from "../graph/builder.js";
import type { Graph, Value } from "../graph/graph.js";
import { bindSegment } from "../layers/parameter-scope.js";
import { crossEntropy } from "../losses/cross-entropy.js";
import { clientInput } from "./client-graphs.js";
import { batchDim, type ModelDefinition, type ModelLayout } from "./model-definition.js";
import { fusedScores, recover, sharedInputs, streamLogits } from "./server-streams.js";

/** The whole deployed system as one differentiable function of the picture, for an attacker who knows all of it. */
interface WholeSystem {
	readonly g: GraphBuilder;
	/** The picture as it reaches the device, [B,C,...]. */
	readonly x: Value;
	/** Logits of each stream for another picture under the same device map. */
	logits(x: Value): readonly Value[];
	/** The decision's probabilities. */
	decision(logits: readonly Value[]): Value;
}

/** Whether gradients go through the recovery exactly or straight past it; an attacker tries both. */
export type RecoveryGradient = "exact" | "straight-through";

function wholeSystem(
	name: string,
	definition: ModelDefinition,
	layout: ModelLayout,
	through: RecoveryGradient,
): WholeSystem {
	const g = new GraphBuilder(name);
	const x = g.input("x", "float32", [batchDim, ...definition.inputShape]);
	const client = bindSegment(
		g,
		layout.client,
		g.input("params", "float32", [layout.client.params.length]),
		g.input("stats", "float32", [layout.client.stats.length]),
	);
	const server = bindSegment(
		g,
		layout.server,
		g.input("serverParams", "float32", [layout.server.params.length]),
		g.input("serverStats", "float32", [layout.server.stats.length]),
	);
	const map = definition.map === null ? undefined : g.input("map", "float32", [batchDim, ...definition.inputShape]);
	return {
		g,
		x,
		logits: (input) => {
			const smashed = definition.network.client(g, client.scope(false), clientInput(g, definition, input, map));
			const recovered = recover(g, definition, smashed, through === "exact");
			return streamLogits(g, definition, server.scope(false), sharedInputs(smashed, recovered));
		},
		decision: (logits) =>
			fusedScores(
				g,
				definition,
				logits.map((z) => g.add("Softmax", [z])),
			),
	};
}

/**
 * `attack/gradient`: gradient with respect to the picture of the decision's negative log-likelihood
 * (`fusedGradient`) and of the sum of all streams' cross-entropies (`sumGradient`), the device's map
 * held constant. Both [B,C,...].
 */
export function attackGradientGraph(
	definition: ModelDefinition,
	layout: ModelLayout,
	through: RecoveryGradient,
): Graph {
	const { g, x, logits, decision } = wholeSystem("attack/gradient", definition, layout, through);
	const target = g.input("y", "int64", [batchDim]);
	const streams = logits(x);
	const logDecision = logProbability(g, decision(streams));
	const decisionLoss = crossEntropy(g, { logits: logDecision, target });
	const [fusedGradient] = differentiate(g, [{ value: decisionLoss }], [x]);
	const losses = streams.map((z) => ({ value: crossEntropy(g, { logits: z, target }) }));
	const [sumGradient] = differentiate(g, losses, [x]);
	g.output("fusedGradient", fusedGradient as Value);
	g.output("sumGradient", sumGradient as Value);
	return g.build();
}

/** `attack/jsma`: a saliency map of the decision of the whole system, scaled to the L-inf `budget` [], [B,C,...]. */
export function attackJsmaGraph(definition: ModelDefinition, layout: ModelLayout, through: RecoveryGradient): Graph {
	const { g, x, logits, decision } = wholeSystem("attack/jsma", definition, layout, through);
	const budget = g.input("budget", "float32", []);
	const score = (_g: GraphBuilder, input: Value) => logProbability(g, decision(logits(input)));
	g.output("perturbation", saliencyMap(g, score, x, { form: "probability", norm: "linf", budget }));
	return g.build();
}

/** Logarithm of probabilities, kept away from zero as float32 needs. */
function logProbability(g: GraphBuilder, probability: Value): Value {
	return g.add("Log", [g.add("Max", [probability, g.scalar(1e-12)])]);
}
