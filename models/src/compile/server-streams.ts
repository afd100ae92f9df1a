import type { Tensor } from "@psgl/sdk";
import { convSumFusion } from "../blocks/conv-sum-fusion.js";
import { decisionFusion } from "../blocks/decision-fusion.js";
import { recoverByRpca } from "../blocks/recovery-rpca.js";
import { recoverBySvt } from "../blocks/recovery-svt.js";
import { int } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import type { ParameterScope } from "../layers/parameter-scope.js";
import type { ModelDefinition } from "./model-definition.js";

/** What the streams of the server segment are fed with. */
export interface StreamInputs {
	/** Stream A's input: smashed data as they came. */
	readonly attacked: Value;
	/** Stream R's input: recovered smashed data. */
	readonly recovered: Value;
	/** The fused stream's two inputs. */
	readonly fusedAttacked: Value;
	readonly fusedRecovered: Value;
}

/** Recovered smashed data. `exact`: gradients go through the recovery rather than straight past it. */
export function recover(g: GraphBuilder, definition: ModelDefinition, smashed: Value, exact: boolean): Value {
	const { recovery } = definition;
	switch (recovery.kind) {
		case "svt":
			return recoverBySvt(g, smashed, {
				part: recovery.part,
				threshold: recovery.threshold,
				absolute: recovery.absolute,
				gradient: exact ? "exact" : "straight-through",
			});
		case "rpca":
			return recoverByRpca(g, smashed, { gradient: exact ? "exact" : "straight-through" });
		case "masked":
		case "none":
			// Nothing is missing here: masked recovery is the identity (server/infer-masked is where it acts).
			return smashed;
	}
}

/** Logits [B,K] of each stream, in the order of `definition.streams`. */
export function streamLogits(
	g: GraphBuilder,
	definition: ModelDefinition,
	scope: ParameterScope,
	inputs: StreamInputs,
): readonly Value[] {
	const { network, classes, streams } = definition;
	return streams.map((name) => {
		const own = scope.within(name);
		return network.stream(g, own, streamInput(g, own, name, inputs), classes.length);
	});
}

function streamInput(g: GraphBuilder, scope: ParameterScope, name: "A" | "R" | "F", inputs: StreamInputs): Value {
	if (name === "A") return inputs.attacked;
	if (name === "R") return inputs.recovered;
	const channels = inputs.fusedAttacked.shape[1] as number;
	const spatial = inputs.fusedAttacked.shape.length - 2;
	const kernel: number[] = new Array(spatial).fill(3);
	const bound = 1 / Math.sqrt(2 * channels * 3 ** spatial);
	const fusion = scope.within("fusion");
	const weight = fusion.parameter("weight", [channels, 2 * channels, ...kernel], { kind: "uniform", bound });
	const bias = fusion.parameter("bias", [channels], { kind: "uniform", bound });
	return convSumFusion(g, { smashed: inputs.fusedAttacked, recovered: inputs.fusedRecovered, weight, bias });
}

/** The same smashed data and their recovery for every stream, gradients flowing everywhere. */
export function sharedInputs(smashed: Value, recovered: Value): StreamInputs {
	return { attacked: smashed, recovered, fusedAttacked: smashed, fusedRecovered: recovered };
}

/** Probabilities of the streams and of the fused decision, [B,streams+1,K]. */
export function stackedScores(g: GraphBuilder, definition: ModelDefinition, logits: readonly Value[]): Value {
	const scores = logits.map((z) => g.add("Softmax", [z], { axis: int(1) }));
	const axis = g.ints([1]);
	const rows = [...scores, fusedScores(g, definition, scores)].map((p) => g.add("Unsqueeze", [p, axis]));
	return g.add("Concat", rows, { axis: int(1) });
}

/** The decision from the streams' probabilities: decision-level fusion, or the one stream there is. */
export function fusedScores(g: GraphBuilder, definition: ModelDefinition, scores: readonly Value[]): Value {
	if (scores.length === 1) return scores[0] as Value;
	return decisionFusion(
		g,
		scores.map((value, i) => ({ scores: value, prior: streamPriors[definition.streams[i] as "A" | "R" | "F"] })),
	);
}

/** Prior weight of each stream in the decision (DESIGN of the method: R 0.5, F 0.3, A 0.2). */
export const streamPriors = { A: 0.2, R: 0.5, F: 0.3 } as const;

/** One weight per class of 1: no class counts more than another. */
export function equalClassWeights(classes: number): Tensor<"float32"> {
	return { dtype: "float32", dims: [classes], data: new Float32Array(classes).fill(1) };
}
