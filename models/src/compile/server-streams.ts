import type { Tensor } from "@psgl/sdk";
import { codeHead } from "../blocks/code-numbers.js";
import { convSumFusion } from "../blocks/conv-sum-fusion.js";
import { decisionFusion, streamPriors } from "../blocks/decision-fusion.js";
import type { Recovery } from "../blocks/recovery.js";
import type { RecoveryGradient } from "../blocks/recovery-gradient.js";
import { recoveryRpca } from "../blocks/recovery-rpca.js";
import { recoverySvt } from "../blocks/recovery-svt.js";
import { int } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import type { ParameterScope } from "../layers/parameter-scope.js";
import { probabilitiesOf } from "../losses/loss.js";
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

/** Recovers complete smashed data as the definition says. */
export function recover(
	g: GraphBuilder,
	definition: ModelDefinition,
	smashed: Value,
	gradient: RecoveryGradient,
): Recovery {
	const { recovery } = definition;
	switch (recovery.kind) {
		case "svt": {
			const { part, threshold, absolute } = recovery;
			return recoverySvt(g, smashed, { part, threshold, relative: !absolute, gradient });
		}
		case "rpca":
			return recoveryRpca(g, smashed, { gradient });
		case "masked":
		case "none":
			// Nothing is missing here: masked recovery is the identity (server/infer-masked is where it acts).
			return { recovered: smashed, constants: [] };
	}
}

/** Logits [B,K] of each stream, in the order of `definition.streams`; where the device has a tail, features [B,F]. */
export function streamLogits(
	g: GraphBuilder,
	definition: ModelDefinition,
	scope: ParameterScope,
	inputs: StreamInputs,
): readonly Value[] {
	const { network, classes, streams, code, tail } = definition;
	const outputs = tail?.features ?? classes.length;
	return streams.map((name) => {
		const own = scope.within(name);
		const input = streamInput(g, own, name, inputs);
		return code === null ? network.stream(g, own, input, outputs) : codeHead(g, own, input, outputs);
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
	return convSumFusion(g, inputs.fusedAttacked, inputs.fusedRecovered, weight, bias);
}

/** The same smashed data and their recovery for every stream, gradients flowing everywhere. */
export function sharedInputs(smashed: Value, recovered: Value): StreamInputs {
	return { attacked: smashed, recovered, fusedAttacked: smashed, fusedRecovered: recovered };
}

/** Probabilities of the streams and of the fused decision, [B,streams+1,K]. */
export function stackedScores(g: GraphBuilder, definition: ModelDefinition, logits: readonly Value[]): Value {
	const scores = logits.map((z) => probabilitiesOf(g, definition.loss, z));
	const axis = g.ints([1]);
	const rows = [...scores, fusedScores(g, definition, logits)].map((p) => g.add("Unsqueeze", [p, axis]));
	return g.add("Concat", rows, { axis: int(1) });
}

/** The decision's probabilities [B,K]: decision-level fusion of the streams, or the one stream there is. */
export function fusedScores(g: GraphBuilder, definition: ModelDefinition, logits: readonly Value[]): Value {
	const { streams, loss } = definition;
	if (logits.length === 1) return probabilitiesOf(g, loss, logits[0] as Value);
	return decisionFusion(
		g,
		logits.map((z, i) => ({ logits: z, prior: streamPriors[streams[i] as keyof typeof streamPriors] })),
		loss,
	);
}

/** One weight per class of 1: no class counts more than another. */
export function equalClassWeights(classes: number): Tensor<"float32"> {
	return { dtype: "float32", dims: [classes], data: new Float32Array(classes).fill(1) };
}
