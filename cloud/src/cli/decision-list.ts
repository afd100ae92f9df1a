import { multiLabelMetrics } from "@psgl/models";
import { isMultiLabel, type Manifest } from "@psgl/sdk/artifact";
import { formatPercent } from "./format.js";
import type { InferenceInputs } from "./inference-inputs.js";
import type { TableColumn } from "./table.js";

/** Decisions as they are printed. */
export interface DecisionList {
	readonly columns: readonly TableColumn[];
	/** A line a sample. */
	readonly rows: readonly (readonly string[])[];
	/** How many were right; undefined where labels are not known. */
	readonly summary: string | undefined;
	/** For programs. */
	readonly fields: Readonly<Record<string, unknown>>;
}

/** Lists probabilities [N*K] as decisions: a class a sample, or the labels that apply to it. */
export function listDecisions(manifest: Manifest, inputs: InferenceInputs, scores: Float32Array): DecisionList {
	return isMultiLabel(manifest.loss) ? listLabels(manifest, inputs, scores) : listClasses(manifest, inputs, scores);
}

/** Samples as rows of scores, by class name. */
function rowsOf({ classes }: Manifest, scores: Float32Array) {
	return Array.from({ length: scores.length / classes.length }, (_, sample) => {
		const row = scores.subarray(sample * classes.length, (sample + 1) * classes.length);
		const best = row.reduce((at, score, k) => (score > (row[at] as number) ? k : at), 0);
		const byName = Object.fromEntries(classes.map((name, k) => [name, row[k] as number]));
		return { sample, row, likeliest: classes[best] as string, probability: row[best] as number, byName };
	});
}

function listClasses(manifest: Manifest, { labels }: InferenceInputs, scores: Float32Array): DecisionList {
	const decisions = rowsOf(manifest, scores).map(({ sample, likeliest, probability, byName }) => ({
		sample,
		class: likeliest,
		probability,
		scores: byName,
		...(labels === undefined ? {} : { label: manifest.classes[labels[sample] as number] as string }),
	}));
	const right = decisions.filter((decision) => decision.class === decision.label).length;
	return {
		columns: [
			{ title: "sample", align: "right" },
			{ title: "decision" },
			{ title: "probability", align: "right" },
			...(labels === undefined ? [] : [{ title: "label" }]),
		],
		rows: decisions.map((d) => [String(d.sample), d.class, formatPercent(d.probability), d.label ?? ""]),
		summary: labels && `${right} of ${decisions.length} right`,
		fields: { decisions, ...(labels === undefined ? {} : { accuracy: right / decisions.length }) },
	};
}

function listLabels(manifest: Manifest, { targets }: InferenceInputs, scores: Float32Array): DecisionList {
	const { classes } = manifest;
	const decisions = rowsOf(manifest, scores).map(({ sample, row, likeliest, probability, byName }) => ({
		sample,
		labels: classes.filter((_, k) => (row[k] as number) > 0.5),
		likeliest,
		probability,
		scores: byName,
		...(targets === undefined ? {} : { truth: classes.filter((_, k) => targets[sample * classes.length + k] === 1) }),
	}));
	const names = (labels: readonly string[]) => labels.join(", ") || "none";
	const metrics = targets && multiLabelMetrics(scores, targets, classes.length);
	return {
		columns: [
			{ title: "sample", align: "right" },
			{ title: "labels that apply" },
			{ title: "likeliest" },
			{ title: "probability", align: "right" },
			...(targets === undefined ? [] : [{ title: "in the data" }]),
		],
		rows: decisions.map((d) => [
			String(d.sample),
			names(d.labels),
			d.likeliest,
			formatPercent(d.probability),
			d.truth === undefined ? "" : names(d.truth),
		]),
		summary:
			metrics &&
			`${formatPercent(metrics.accuracy)} of the labels right, all labels of ${Math.round(metrics.exactMatch * metrics.samples)} of ${metrics.samples} samples; deciding each as it is for most: ${formatPercent(metrics.majorityAccuracy)}`,
		fields: { decisions, ...(metrics && { accuracy: metrics.accuracy, exactMatch: metrics.exactMatch }) },
	};
}
