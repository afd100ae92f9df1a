import { vectorPartName } from "@psgl/sdk";
import { differentiate } from "../autodiff/differentiate.js";
import { withoutInputGradient } from "../autodiff/input-gradient.js";
import { recoverMasked } from "../blocks/recovery-masked.js";
import { int } from "../graph/attribute.js";
import { GraphBuilder } from "../graph/builder.js";
import type { Graph, Value } from "../graph/graph.js";
import { type BoundSegment, bindSegment, bindTensors, packStatistics, unpack } from "../layers/parameter-scope.js";
import { TrainedParameters } from "../layers/trained-parameters.js";
import { pieceShape } from "../layers/vector-pieces.js";
import { lossOf, targetShape } from "../losses/loss.js";
import { castTo } from "../operators/constants.js";
import { stack, unstack } from "./device-tail.js";
import { batchDim, type ModelDefinition, type ModelLayout } from "./model-definition.js";
import { recover, sharedInputs, stackedScores, streamLogits } from "./server-streams.js";
import { updatePieces } from "./update-parameters.js";

interface ServerContext {
	readonly g: GraphBuilder;
	readonly server: BoundSegment;
	/** [B,Cs,...] */
	readonly smashed: Value;
}

function serverContext(name: string, layout: ModelLayout): ServerContext {
	const g = new GraphBuilder(name);
	const smashed = g.input("smashed", "float32", [batchDim, ...layout.smashedShape]);
	const params = g.input("params", "float32", [layout.server.params.length]);
	const stats = g.input("stats", "float32", [layout.server.stats.length]);
	return { g, server: bindSegment(g, layout.server, params, stats), smashed };
}

/**
 * `server/train`: all streams forward, the loss of each, one optimiser step on the sum of the
 * losses, and the gradient at the cut. In the paper's form that is the fused stream's alone: the
 * other streams learn, but do not steer the device. Where the device has a tail, the gradient at each stream's features stands for
 * its loss.
 */
export function serverTrainGraph(definition: ModelDefinition, layout: ModelLayout): Graph {
	const g = new GraphBuilder("server/train");
	const smashed = g.input("smashed", "float32", [batchDim, ...layout.smashedShape]);
	const trained = new TrainedParameters("server", layout.server.params, definition.frozen);
	const params = trained.pieces.map((piece) =>
		g.input(vectorPartName("params", piece.offset), "float32", pieceShape(piece)),
	);
	const tensors = trained.pieces.flatMap(({ entries }, i) => unpack(g, entries, params[i] as Value));
	const stats = g.input("stats", "float32", [layout.server.stats.length]);
	const server = bindTensors(g, layout.server, tensors, stats);
	const learningRate = g.input("learningRate", "float32", []);
	const step = g.input("step", "float32", []);

	const { recovered, constants } = recover(g, definition, smashed, "straight-through");
	const onlyFused = definition.cutGradient === "fused" && definition.streams.length > 1;
	const detached = onlyFused
		? { attacked: g.add("Identity", [smashed]), recovered: g.add("Identity", [recovered]) }
		: { attacked: smashed, recovered };
	const scope = server.scope(true, () => castTo(g, step, "int64"));
	const logits = streamLogits(g, definition, scope, {
		...detached,
		fusedAttacked: smashed,
		fusedRecovered: recovered,
	});
	const seeds = streamSeeds(g, definition, logits);
	const stopped = onlyFused ? [...constants, detached.attacked, detached.recovered] : constants;
	const gradients = differentiate(g, seeds, [...trained.select(server.values), smashed], stopped);

	const back = gradients.at(-1) ?? withoutInputGradient("the smashed data");
	const cutGradient = onlyFused || seeds.length === 1 ? back : g.add("Mul", [back, g.scalar(1 / seeds.length)]);
	g.output("cutGradient", cutGradient);

	const names = { slots: "slots", params: "params" };
	const nextParams = updatePieces(g, definition, trained, { params, gradients, learningRate, step }, names);
	const nextStats = packStatistics(g, server, scope);
	g.output("next_stats", nextStats);
	g.output("total", total(g, [cutGradient, ...nextParams, nextStats]));
	return g.build();
}

/** Sum of all numbers of all values: NaN or infinite where one of them is, and added up here while the processor has them at hand. */
function total(g: GraphBuilder, values: readonly Value[]): Value {
	const sums = values.map((value) =>
		g.add("ReduceSum", [value, g.ints([...value.shape.keys()])], { keepdims: int(0) }),
	);
	return sums.reduce((sum, next) => g.add("Add", [sum, next]));
}

/** Where the backward pass begins: the loss of each stream, or the gradients that came from the device's tail. */
function streamSeeds(
	g: GraphBuilder,
	definition: ModelDefinition,
	outputs: readonly Value[],
): readonly { readonly value: Value; readonly gradient?: Value }[] {
	const { tail, streams, loss, classes } = definition;
	if (tail !== null) {
		const gradients = unstack(g, g.input("featureGradient", "float32", [batchDim, streams.length, tail.features]));
		return outputs.map((value, i) => ({ value, gradient: gradients[i] as Value }));
	}
	const target = g.input("y", "int64", targetShape(loss, batchDim, classes.length));
	const classWeights = g.input("classWeights", "float32", [classes.length]);
	const losses = outputs.map((logits) => lossOf(g, loss, { logits, target, classWeights }));
	const rows = losses.map((value) => g.add("Unsqueeze", [value, g.ints([0])]));
	g.output("losses", g.add("Concat", rows, { axis: int(0) }));
	g.output("scores", stackedScores(g, definition, outputs));
	return losses.map((value) => ({ value }));
}

/** Scores, or where the device has a tail the features it makes them from. */
function outputDecisions(g: GraphBuilder, definition: ModelDefinition, outputs: readonly Value[]): void {
	if (definition.tail === null) g.output("scores", stackedScores(g, definition, outputs));
	else g.output("features", stack(g, outputs));
}

/**
 * `server/infer`: probabilities of the streams and of the decision, [B,streams+1,K], and the streams' logits [B,streams,K]; where
 * the device has a tail, features [B,streams,F].
 */
export function serverInferGraph(definition: ModelDefinition, layout: ModelLayout): Graph {
	const { g, server, smashed } = serverContext("server/infer", layout);
	const { recovered } = recover(g, definition, smashed, "straight-through");
	const logits = streamLogits(g, definition, server.scope(false), sharedInputs(smashed, recovered));
	outputDecisions(g, definition, logits);
	if (definition.tail === null) g.output("logits", stack(g, logits));
	return g.build();
}

/**
 * `server/infer-masked`: as `server/infer` after the missing parts of the smashed data were filled
 * under the prior; every stream gets the filled data.
 */
export function serverInferMaskedGraph(definition: ModelDefinition, layout: ModelLayout, rank: number): Graph {
	const { g, server, smashed } = serverContext("server/infer-masked", layout);
	const size = layout.smashedShape.reduce((a, b) => a * b, 1);
	const data = {
		smashed,
		mask: g.input("mask", "float32", [batchDim, ...layout.smashedShape]),
		priorMean: g.input("priorMean", "float32", [size]),
		priorBasis: g.input("priorBasis", "float32", [size, rank]),
		priorVariance: g.input("priorVariance", "float32", []),
	};
	const filled = recoverMasked(g, data, { nonNegative: definition.network.rectified });
	const logits = streamLogits(g, definition, server.scope(false), sharedInputs(filled, filled));
	outputDecisions(g, definition, logits);
	return g.build();
}
