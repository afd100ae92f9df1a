import type { MultiLabelMetrics, RowMetrics } from "@psgl/models";

/** What is measured only where several labels may apply to a sample. Fractions are in 0..1. */
export interface SeveralLabels {
	/** By row: share of samples with every label decided rightly. */
	readonly exactMatch: Readonly<Record<string, number>>;
	readonly vanillaExactMatch: number;
	/** Of deciding each label as it is for most samples. */
	readonly majorityExactMatch: number;
	/** The fused decision on each label. */
	readonly labels: Readonly<Record<string, LabelResult>>;
}

/** An AUC is null where the label applies to all test samples or to none. */
export interface LabelResult {
	readonly auc: number | null;
	readonly accuracy: number;
	/** Accuracy of deciding the label as it is for most samples. */
	readonly majority: number;
	readonly vanilla: { readonly auc: number | null; readonly accuracy: number };
}

/** Null where each sample has one class. */
export function severalLabels(
	classes: readonly string[],
	deployed: RowMetrics,
	control: RowMetrics,
): SeveralLabels | null {
	const rows = Object.entries(deployed).filter((row): row is [string, MultiLabelMetrics] => "aucs" in row[1]);
	const { fused } = Object.fromEntries(rows);
	const vanilla = control.fused;
	if (fused === undefined || vanilla === undefined || !("aucs" in vanilla)) return null;
	const labels = classes.map((name, k): [string, LabelResult] => [
		name,
		{
			auc: known(fused.aucs[k]),
			accuracy: fused.accuracies[k] as number,
			majority: fused.majorityAccuracies[k] as number,
			vanilla: { auc: known(vanilla.aucs[k]), accuracy: vanilla.accuracies[k] as number },
		},
	]);
	return {
		exactMatch: Object.fromEntries(rows.map(([row, { exactMatch }]) => [row, exactMatch])),
		vanillaExactMatch: vanilla.exactMatch,
		majorityExactMatch: fused.majorityExactMatch,
		labels: Object.fromEntries(labels),
	};
}

function known(auc: number | undefined): number | null {
	return auc === undefined || Number.isNaN(auc) ? null : auc;
}
