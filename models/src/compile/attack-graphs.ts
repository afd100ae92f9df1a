import { isMultiLabel } from "@psgl/sdk/artifact";
import { inputGradient } from "../autodiff/input-gradient.js";
import type { RecoveryGradient } from "../blocks/recovery-gradient.js";
import { mapFromJacobian } from "../blocks/saliency-map.js";
import { int } from "../graph/attribute.js";
import { GraphBuilder } from "../graph/builder.js";
import type { Graph, Value } from "../graph/graph.js";
import { bindSegment } from "../layers/parameter-scope.js";
import { binaryCrossEntropy } from "../losses/binary-cross-entropy.js";
import { crossEntropy } from "../losses/cross-entropy.js";
import { targetShape } from "../losses/loss.js";
import { clientInput } from "./client-context.js";
import { clientSegment } from "./client-segment.js";
import { stack, tailLogits } from "./device-tail.js";
import { batchDim, type ModelDefinition, type ModelLayout } from "./model-definition.js";
import { fusedScores, recover, sharedInputs, streamLogits } from "./server-streams.js";

/** The whole deployed system as one differentiable function of the picture, for an attacker who knows all of it. */
interface WholeSystem {
	readonly g: GraphBuilder;
	/** The picture as it reaches the device, [B,C,...]. */
	readonly x: Value;
	/** Logits of each stream. */
	readonly logits: readonly Value[];
	/** The decision's probabilities [B,K]. */
	readonly decision: Value;
	/** What `differentiate` has to take as constants. */
	readonly constants: readonly Value[];
}

function wholeSystem(
	name: string,
	definition: ModelDefinition,
	layout: ModelLayout,
	through: RecoveryGradient,
): WholeSystem {
	const g = new GraphBuilder(name);
	const x = g.input("x", "float32", [batchDim, ...definition.inputShape]);
	const vector = (input: string, length: number) => g.input(input, "float32", [length]);
	const client = bindSegment(
		g,
		layout.client,
		vector("params", layout.client.params.length),
		vector("stats", layout.client.stats.length),
	);
	const server = bindSegment(
		g,
		layout.server,
		vector("serverParams", layout.server.params.length),
		vector("serverStats", layout.server.stats.length),
	);
	const map = definition.map === null ? undefined : g.input("map", "float32", [batchDim, ...definition.inputShape]);
	const scope = client.scope(false);
	const { smashed, constants: rounding } = clientSegment(g, definition, scope, clientInput(g, definition, x, map));
	const { recovered, constants } = recover(g, definition, smashed, through);
	const outputs = streamLogits(g, definition, server.scope(false), sharedInputs(smashed, recovered));
	const logits = definition.tail === null ? outputs : tailLogits(g, definition, scope, stack(g, outputs));
	return { g, x, logits, decision: fusedScores(g, definition, logits), constants: [...rounding, ...constants] };
}

/** `fused`: negative log-likelihood of the decision. `sum`: that of all streams added up, whatever loss they were trained with. */
export type AttackLoss = "fused" | "sum";

/** `attack/gradient`: gradient [B,C,...] of a loss with respect to the picture, the device's map held constant. */
export function attackGradientGraph(
	definition: ModelDefinition,
	layout: ModelLayout,
	through: RecoveryGradient,
	loss: AttackLoss,
): Graph {
	const { g, x, logits, decision, constants } = wholeSystem("attack/gradient", definition, layout, through);
	const target = g.input("y", "int64", targetShape(definition.loss, batchDim, definition.classes.length));
	const multiLabel = isMultiLabel(definition.loss);
	const scores = loss === "fused" ? [logitsOfDecision(g, decision, multiLabel)] : logits;
	const losses = scores.map((z) => ({
		value: multiLabel ? binaryCrossEntropy(g, { logits: z, target }) : crossEntropy(g, { logits: z, target }),
	}));
	g.output("gradient", inputGradient(g, losses, x, constants));
	return g.build();
}

/** `attack/jsma`: a saliency map of the decision of the whole system, scaled to the L-inf `budget` [], [B,C,...]. */
export function attackJsmaGraph(definition: ModelDefinition, layout: ModelLayout, through: RecoveryGradient): Graph {
	const { g, x, decision, constants } = wholeSystem("attack/jsma", definition, layout, through);
	const budget = g.input("budget", "float32", []);
	// The gradient of the largest probability is that of the predicted class.
	const top = g.add("ReduceMax", [decision, g.ints([1])], { keepdims: int(1) });
	const ones = g.add("Div", [top, top]);
	const alpha = inputGradient(g, [{ value: top, gradient: ones }], x, constants);
	g.output("perturbation", mapFromJacobian(g, alpha, undefined, { form: "probability", norm: "linf", budget }));
	return g.build();
}

/** Logits whose probabilities are those of the decision. */
function logitsOfDecision(g: GraphBuilder, decision: Value, multiLabel: boolean): Value {
	const log = (p: Value) => g.add("Log", [g.add("Max", [p, g.scalar(smallestProbability)])]);
	return multiLabel ? g.add("Sub", [log(decision), log(g.add("Sub", [g.scalar(1), decision]))]) : log(decision);
}

/** Keeps the logarithm of a probability finite in float32. */
const smallestProbability = 1e-12;
