import type { Random, Runtime } from "@psgl/sdk";
import { randomisedLabel } from "@psgl/sdk/artifact";
import { Dataset } from "@psgl/sdk/sources";
import { areaUnderCurve } from "../evaluation/area-under-curve.js";
import type { AuditTarget } from "./audit-target.js";
import { exchangedGradients } from "./exchanged-gradients.js";

export interface LabelInferenceResult {
	/** Area under the ROC curve, mean over the classes, of the better of the two attacks; 0.5 for guessing. */
	readonly auc: number;
	/** By the length of the gradient (Li et al., ICLR 2022, norm attack); only for two classes. */
	readonly byNorm: number | undefined;
	/** By its angle to the mean gradients of the attacker's own samples (ibid., cosine attack). */
	readonly byDirection: number;
}

/**
 * Reads the labels of victims off the gradients at the cut that the aggregator sends back to their device, or those at the features
 * that a device with a tail sends. The attacker is a device too and knows its own samples' gradients and labels. `victims` and `own`: samples with one label each.
 * The aggregator's half has to be there; undefined where a class is missing on either side.
 */
export async function labelInference(
	target: AuditTarget,
	victims: Dataset,
	own: Dataset,
	{
		random,
		...options
	}: {
		readonly runtime: Runtime;
		readonly threads?: number;
		/** Draws how labels are shown where they are randomised. */
		readonly random: Random;
		readonly signal?: AbortSignal | undefined;
	},
): Promise<LabelInferenceResult | undefined> {
	const classes = target.manifest.classes.length;
	const present = (data: Dataset) => new Set(data.labels).size === classes;
	if (!present(victims) || !present(own)) return undefined;
	const at = target.manifest.tail === null ? "cut" : "features";
	const known = directions(await exchangedGradients(target, own, at, options), own.labels, classes);
	const seen = await exchangedGradients(target, shown(target, victims, random), at, options);
	const score = (n: number, label: number) => dot(unit(seen[n] as Float32Array), known[label] as Float32Array);
	const rest = (n: number, label: number) =>
		known.reduce((sum, _, other) => (other === label ? sum : sum + score(n, other)), 0) / (classes - 1);
	const areas = Array.from({ length: classes }, (_, label) =>
		areaUnderCurve(
			seen.length,
			(n) => score(n, label) - rest(n, label),
			(n) => victims.labels[n] === label,
		),
	);
	const byDirection = areas.reduce((sum, area) => sum + area / classes, 0);
	const oneWay = areaUnderCurve(
		seen.length,
		(n) => norm(seen[n] as Float32Array),
		(n) => victims.labels[n] === 0,
	);
	const byNorm = classes === 2 ? Math.max(oneWay, 1 - oneWay) : undefined;
	return { auc: Math.max(byDirection, byNorm ?? 0), byNorm, byDirection };
}

/** The victims with their labels as training sees them. */
function shown({ manifest }: AuditTarget, victims: Dataset, random: Random): Dataset {
	const { randomisedLabels } = manifest.disclosure;
	if (randomisedLabels === undefined) return victims;
	const { shape, classes, samples } = victims;
	const labels = victims.labels.map((label) =>
		randomisedLabel(label, classes.length, randomisedLabels.epsilon, random.uniform()),
	);
	return new Dataset({ shape, classes, samples, labels });
}

/** Mean direction of each class's gradients. */
function directions(gradients: readonly Float32Array[], labels: Int32Array, classes: number): readonly Float32Array[] {
	const sums = Array.from({ length: classes }, () => new Float32Array(gradients[0]?.length ?? 0));
	gradients.forEach((gradient, n) => {
		const sum = sums[labels[n] as number] as Float32Array;
		unit(gradient).forEach((value, i) => {
			sum[i] = (sum[i] as number) + value;
		});
	});
	return sums.map(unit);
}

const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);
const norm = (a: Float32Array) => Math.sqrt(dot(a, a));

function unit(a: Float32Array): Float32Array {
	const length = norm(a) || 1;
	return a.map((value) => value / length);
}
