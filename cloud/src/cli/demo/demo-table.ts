import { type AttackName, attackNames } from "@psgl/models";
import type { DataSplits, Dataset } from "@psgl/sdk/sources";
import { formatBytes, formatPercent, formatSeconds } from "../format.js";
import type { Output } from "../output.js";
import type { TableColumn } from "../table.js";
import { byRow, type DemoResult, type Trained } from "./demo-result.js";
import type { SeveralLabels } from "./several-labels.js";

/** How each attack reads. */
const attackTitles: Readonly<Record<AttackName, string>> = {
	fgsm: "FGSM 8/255",
	pgd2: "PGD-10 2/255",
	pgd8: "PGD-10 8/255",
	jsma: "JSMA 0.5",
};

/** What the numbers of one line are of: accuracy, balanced accuracy or AUC by row. */
type Values = Readonly<Record<string, number>>;

/** Prints the table people read, and what they need to know to read it. */
export function printDemoTable(
	output: Output,
	splits: DataSplits,
	psgl: Trained,
	vanilla: Trained,
	result: DemoResult,
): void {
	const { rows, deployed, withoutMap, attacked } = psgl.evaluation;
	const control = vanilla.evaluation;
	const several = result.severalLabels;
	const columns: TableColumn[] = [
		{ title: "test inputs" },
		{ title: "" },
		...rows.map((title) => ({ title, align: "right" as const })),
		{ title: "vanilla", align: "right" },
		{ title: "fused - vanilla", align: "right" },
	];
	const line = (title: string, metric: string, values: Values, beside: number | undefined): string[] => [
		title,
		metric,
		...rows.map((row) => formatPercent(values[row])),
		formatPercent(beside),
		beside === undefined ? "" : points((values.fused as number) - beside),
	];

	const lines = [
		line("as deployed", "accuracy", byRow(deployed, "accuracy"), control.deployed.fused?.accuracy),
		line("", "balanced", byRow(deployed, "balancedAccuracy"), control.deployed.fused?.balancedAccuracy),
		line("", "AUC", byRow(deployed, "auc"), control.deployed.fused?.auc),
		...(several === null ? [] : [line("", "all labels", several.exactMatch, several.vanillaExactMatch)]),
		line("without the map", "accuracy", byRow(withoutMap, "accuracy"), undefined),
		line("", "balanced", byRow(withoutMap, "balancedAccuracy"), undefined),
	];
	for (const name of attacked === undefined ? [] : attackNames) {
		const own = attacked?.[name];
		const other = control.attacked?.[name];
		if (own === undefined || other === undefined) continue;
		lines.push(line(attackTitles[name], "accuracy", own.accuracy, other.accuracy.fused));
		lines.push(line("", "balanced", own.balancedAccuracy, other.balancedAccuracy.fused));
	}
	output.print("");
	output.table(columns, lines);
	output.print("");
	if (several !== null) printLabels(output, several);
	for (const note of notes(splits, psgl, result)) output.print(note);
}

/** The fused decision on each label. */
function printLabels(output: Output, { labels }: SeveralLabels): void {
	const right = (title: string) => ({ title, align: "right" as const });
	const share = (value: number | null) => formatPercent(value ?? undefined);
	output.table(
		[
			{ title: "label" },
			right("accuracy"),
			right("majority"),
			right("AUC"),
			right("vanilla accuracy"),
			right("vanilla AUC"),
		],
		Object.entries(labels).map(([name, { auc, accuracy, majority, vanilla }]) => [
			name,
			...[accuracy, majority, auc, vanilla.accuracy, vanilla.auc].map(share),
		]),
	);
	output.print("");
}

/** What guessing is worth on these labels. */
function baseline(test: Dataset, { majority, severalLabels }: DemoResult): string {
	const inputs = `of ${test.length} test inputs`;
	if (severalLabels === null) {
		return `Majority class ${formatPercent(majority)} ${inputs}; balanced ${formatPercent(1 / test.classes.length)}.`;
	}
	return `Several of ${test.classes.length} labels may apply to an input; accuracy, balanced accuracy and AUC are means over the labels.\n  Deciding each as it is for most ${inputs}: accuracy ${formatPercent(majority)}, balanced ${formatPercent(0.5)}, all labels of an input right ${formatPercent(severalLabels.majorityExactMatch)}.`;
}

function notes(splits: DataSplits, psgl: Trained, result: DemoResult): readonly string[] {
	const { attackedSamples } = psgl.evaluation;
	const { transit, run } = psgl;
	const { counts, seconds } = run.result;
	const { test, synthetic } = splits;
	const lines = [baseline(test, result)];
	if (attackedSamples > 0) {
		lines.push(
			`Attacks on ${attackedSamples} of them, each system by its own gradient through everything: the worst of several variants${result.severalLabels === null ? "" : " for each label"},\n  and the attacker may leave a picture alone.`,
		);
	}
	if (transit !== undefined) {
		const { complete, unrecovered, recovered } = transit;
		lines.push(
			`Half of the channels lost: fused ${formatPercent(recovered.accuracy)} (balanced ${formatPercent(recovered.balancedAccuracy)}) with masked recovery,\n  ${formatPercent(unrecovered.accuracy)} (${formatPercent(unrecovered.balancedAccuracy)}) without, ${formatPercent(complete.accuracy)} (${formatPercent(complete.balancedAccuracy)}) with nothing lost.`,
		);
	}
	lines.push(
		`Trained by ${result.devices} devices in ${run.result.rounds} ${run.result.rounds === 1 ? "round" : "rounds"}: ${counts.applied} batches in ${formatSeconds(seconds)}, ${result.stepsPerSecond.toFixed(1)} a second;\n  ${formatBytes(result.bytesUpPerSample)} up and ${formatBytes(result.bytesDownPerSample)} down per sample; lost ${result.lost}, doubled ${result.doubled}. All of it ${formatSeconds(result.wallSeconds)}.`,
	);
	if (synthetic) lines.push("The pictures are synthetic: these numbers say nothing about real radiographs.");
	for (const note of splits.notes ?? []) lines.push(`Note: ${note}.`);
	return lines;
}

/** A difference of fractions in percentage points, with its sign. */
function points(difference: number): string {
	const value = 100 * difference;
	return `${value < 0 ? "-" : "+"}${Math.abs(value).toFixed(1)}`;
}
