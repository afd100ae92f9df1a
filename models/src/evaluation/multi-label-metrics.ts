import { ShapeError } from "@psgl/sdk";
import { areaUnderCurve } from "./area-under-curve.js";

/** How good the decisions are where several labels may apply to a sample. Fractions in [0,1]. */
export interface MultiLabelMetrics {
	/** Number of samples. */
	readonly samples: number;
	/** Mean of `aucs` over the labels that have one; NaN when none has. */
	readonly auc: number;
	/** [K] area under the ROC curve of each label; NaN where it applies to all samples or to none. */
	readonly aucs: readonly number[];
	/** Mean of `accuracies`. */
	readonly accuracy: number;
	/** [K] share of samples for which a label was decided rightly, at a score of 0.5. */
	readonly accuracies: readonly number[];
	/**
	 * Mean over the labels that have an AUC of the mean of two shares: of the samples to which a label applies, and of those
	 * to which it does not, that were decided rightly. 0.5 by guessing; NaN when no label has both kinds of samples.
	 */
	readonly balancedAccuracy: number;
	/** Share of samples with every label decided rightly. */
	readonly exactMatch: number;
	/** What `accuracy` would be if each label were decided as it is for most samples: the control. */
	readonly majorityAccuracy: number;
	/** [K] what `accuracies` would be then. */
	readonly majorityAccuracies: readonly number[];
	/** What `exactMatch` would be then. */
	readonly majorityExactMatch: number;
	/** Binary cross-entropy, mean over samples and labels. */
	readonly loss: number;
}

/** Probabilities nearer to 0 than this count as this in the loss, as in float32 a sure and wrong decision can score 0. */
const smallestProbability = 1e-12;

/**
 * Metrics of probabilities against labels that apply independently of each other.
 * @param scores [N*K] row by row
 * @param targets [N*K], 1 where a label applies, else 0
 * @throws ShapeError `PSGL_METRICS_SHAPE` when lengths do not fit or a target is neither.
 */
export function multiLabelMetrics(scores: Float32Array, targets: ArrayLike<number>, labels: number): MultiLabelMetrics {
	const samples = targets.length / labels;
	const other = Array.from(targets).findIndex((value) => value !== 0 && value !== 1);
	if (scores.length !== targets.length || !Number.isInteger(samples) || other >= 0) {
		throw new ShapeError("PSGL_METRICS_SHAPE", {
			what: "scores and labels do not fit together",
			got: other >= 0 ? `label value ${targets[other]}` : `${scores.length} scores, ${targets.length} label values`,
			expected: `as many of each, a multiple of ${labels}; labels 0 or 1`,
		});
	}
	const each = Array.from({ length: labels }, (_, k) => ofLabel(scores, targets, labels, k));
	const aucs = each.map(({ auc }) => auc);
	const known = aucs.filter((auc) => !Number.isNaN(auc));
	const accuracies = each.map(({ accuracy }) => accuracy);
	const majorityAccuracies = each.map(({ majority }) => majority);
	const exactMatches = (decision: (sample: number, label: number) => boolean) => {
		let count = 0;
		for (let n = 0; n < samples; n++) {
			let k = 0;
			while (k < labels && decision(n, k) === (targets[n * labels + k] === 1)) k++;
			if (k === labels) count++;
		}
		return count / samples;
	};
	return {
		samples,
		auc: mean(known),
		aucs,
		accuracy: mean(accuracies),
		accuracies,
		balancedAccuracy: mean(each.map(({ balanced }) => balanced).filter((share) => !Number.isNaN(share))),
		exactMatch: exactMatches((n, k) => (scores[n * labels + k] as number) > 0.5),
		majorityAccuracy: mean(majorityAccuracies),
		majorityAccuracies,
		majorityExactMatch: exactMatches((_, k) => each[k]?.mostlyApplies === true),
		loss: mean(each.map(({ loss }) => loss)),
	};
}

function ofLabel(scores: Float32Array, targets: ArrayLike<number>, labels: number, k: number) {
	const samples = targets.length / labels;
	const score = (n: number) => scores[n * labels + k] as number;
	const applies = (n: number) => targets[n * labels + k] === 1;
	let rightPositives = 0;
	let rightNegatives = 0;
	let positives = 0;
	let loss = 0;
	for (let n = 0; n < samples; n++) {
		if (applies(n)) positives++;
		if (applies(n) && score(n) > 0.5) rightPositives++;
		if (!applies(n) && score(n) <= 0.5) rightNegatives++;
		loss -= Math.log(Math.max(applies(n) ? score(n) : 1 - score(n), smallestProbability));
	}
	const negatives = samples - positives;
	return {
		auc: areaUnderCurve(samples, score, applies),
		accuracy: (rightPositives + rightNegatives) / samples,
		balanced: (rightPositives / positives + rightNegatives / negatives) / 2,
		mostlyApplies: positives > negatives,
		majority: Math.max(positives, negatives) / samples,
		loss: loss / samples,
	};
}

const mean = (values: readonly number[]) => values.reduce((sum, v) => sum + v, 0) / values.length;
