import { isMultiLabel, type LossSettings } from "@psgl/sdk/artifact";
import { int } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Dim, Shape, Value } from "../graph/graph.js";
import { binaryCrossEntropy } from "./binary-cross-entropy.js";
import { crossEntropy } from "./cross-entropy.js";
import { focal } from "./focal.js";
import { squaredScoreError } from "./squared-score-error.js";

export interface LossOperands {
	/** [B,K], not normalised. */
	readonly logits: Value;
	/** int64, of `targetShape`. */
	readonly target: Value;
	/** float32 [K]: class weights, alpha (focal) or positive weights (binary cross-entropy). Default: all ones. */
	readonly classWeights?: Value | undefined;
}

/** The loss [] that a manifest names. @throws ShapeError `PSGL_LOSS_SHAPE`. */
export function lossOf(g: GraphBuilder, settings: LossSettings, operands: LossOperands): Value {
	const { logits, target, classWeights } = operands;
	switch (settings.kind) {
		case "cross-entropy":
			return crossEntropy(g, { ...operands, labelSmoothing: settings.labelSmoothing });
		case "focal":
			return focal(g, { logits, target, gamma: settings.gamma, alpha: classWeights });
		case "binary-cross-entropy":
			return binaryCrossEntropy(g, { logits, target, positiveWeights: classWeights });
		case "mean-squared-error":
			return squaredScoreError(g, operands);
	}
}

/** Shape of the labels of a batch: [B] class indices, or [B,K] of 0 and 1 where several labels may apply. */
export function targetShape(settings: LossSettings, batch: Dim, classes: number): Shape {
	return isMultiLabel(settings) ? [batch, classes] : [batch];
}

/** Probabilities [B,K] of logits: soft-max, or the logistic function where several labels may apply. */
export function probabilitiesOf(g: GraphBuilder, settings: LossSettings, logits: Value): Value {
	return isMultiLabel(settings) ? g.add("Sigmoid", [logits]) : g.add("Softmax", [logits], { axis: int(1) });
}
