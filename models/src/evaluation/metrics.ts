import { ShapeError } from "@psgl/sdk";
import { areaUnderCurve } from "./area-under-curve.js";

/** How good the decisions on a labelled set are, one class a sample. Fractions in [0,1]. */
export interface ClassificationMetrics {
	/** Number of samples. */
	readonly samples: number;
	/** Share of samples whose largest score is their label's. */
	readonly accuracy: number;
	/** Mean over the classes that occur of the share of their samples that were recognised. */
	readonly balancedAccuracy: number;
	/**
	 * Area under the ROC curve, ties counted half (Mann and Whitney 1947; Fawcett 2006, section 7). Two classes: of the
	 * score of class 1. More: the mean over the classes of one class against the rest. NaN when no class has both
	 * positive and negative samples.
	 */
	readonly auc: number;
	/** Mean of -log of the label's score. */
	readonly loss: number;
	/** [K*K] samples by label (row) and decision (column). */
	readonly confusion: readonly number[];
}

/** Probabilities below this count as this in the loss, as in float32 a sure and wrong decision can score 0. */
const smallestProbability = 1e-12;

/**
 * Metrics of probabilities against labels. Of equal largest scores the first class is the decision.
 * @param scores [N*K] row by row
 * @param labels [N] class indices
 * @throws ShapeError `PSGL_METRICS_SHAPE` when lengths do not fit or a label is out of range.
 */
export function classificationMetrics(
	scores: Float32Array,
	labels: ArrayLike<number>,
	classes: number,
): ClassificationMetrics {
	const samples = labels.length;
	if (scores.length !== samples * classes) {
		throw unfit(`${scores.length} scores`, `${samples} labels times ${classes} classes`);
	}
	const confusion = new Uint32Array(classes * classes);
	let negativeLogLikelihood = 0;
	for (let n = 0; n < samples; n++) {
		const label = labels[n] as number;
		if (!Number.isInteger(label) || label < 0 || label >= classes) {
			throw unfit(`label ${label} of sample ${n}`, `0 to ${classes - 1}`);
		}
		const row = scores.subarray(n * classes, (n + 1) * classes);
		const cell = label * classes + largest(row);
		confusion[cell] = (confusion[cell] as number) + 1;
		negativeLogLikelihood -= Math.log(Math.max(row[label] as number, smallestProbability));
	}
	return {
		samples,
		...recognised(confusion, classes),
		auc: meanAuc(scores, labels, classes),
		loss: negativeLogLikelihood / samples,
		confusion: Array.from(confusion),
	};
}

function largest(row: Float32Array): number {
	let best = 0;
	for (let k = 1; k < row.length; k++) if ((row[k] as number) > (row[best] as number)) best = k;
	return best;
}

function recognised(confusion: Uint32Array, classes: number): { accuracy: number; balancedAccuracy: number } {
	let correct = 0;
	let samples = 0;
	let recalls = 0;
	let present = 0;
	for (let k = 0; k < classes; k++) {
		const row = confusion.subarray(k * classes, (k + 1) * classes);
		const count = row.reduce((sum, cell) => sum + cell, 0);
		if (count === 0) continue;
		const hits = row[k] as number;
		correct += hits;
		samples += count;
		recalls += hits / count;
		present += 1;
	}
	return { accuracy: correct / samples, balancedAccuracy: recalls / present };
}

function meanAuc(scores: Float32Array, labels: ArrayLike<number>, classes: number): number {
	const positives = classes === 2 ? [1] : Array.from({ length: classes }, (_, k) => k);
	const against = (k: number) =>
		areaUnderCurve(
			labels.length,
			(n) => scores[n * classes + k] as number,
			(n) => labels[n] === k,
		);
	const areas = positives.map(against).filter((area) => !Number.isNaN(area));
	return areas.reduce((sum, area) => sum + area, 0) / areas.length;
}

function unfit(got: string, expected: string): ShapeError {
	return new ShapeError("PSGL_METRICS_SHAPE", { what: "scores and labels do not fit together", got, expected });
}
