import type { Dataset } from "@psgl/sdk/sources";
import { type ClassificationMetrics, classificationMetrics } from "./metrics.js";
import { type MultiLabelMetrics, multiLabelMetrics } from "./multi-label-metrics.js";

/**
 * How good decisions are, whichever kind of labels they are about: with one class a sample or, where `aucs` is there, several
 * labels. Both have `samples`, `accuracy`, `balancedAccuracy`, `auc` and `loss`.
 */
export type DecisionMetrics = ClassificationMetrics | MultiLabelMetrics;

/**
 * Metrics of probabilities.
 * @param scores [N*K] row by row
 * @param labels [N] class indices, or with `several` [N*K] marks 0 and 1
 * @throws ShapeError `PSGL_METRICS_SHAPE` when lengths do not fit or a label is out of range.
 */
export function decisionMetrics(
	scores: Float32Array,
	labels: ArrayLike<number>,
	classes: number,
	several: boolean,
): DecisionMetrics {
	return several ? multiLabelMetrics(scores, labels, classes) : classificationMetrics(scores, labels, classes);
}

/** As `decisionMetrics`, of scores [N*K] for all samples of a data set. */
export function metricsOn(data: Dataset, scores: Float32Array): DecisionMetrics {
	const { targets, labels, classes } = data;
	return decisionMetrics(scores, targets ?? labels, classes.length, targets !== undefined);
}
