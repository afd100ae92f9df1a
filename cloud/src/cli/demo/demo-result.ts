import { type AttackName, attackNames, type RowAccuracy } from "@psgl/models";
import type { DataSplits, Dataset } from "@psgl/sdk/sources";
import type { Evaluation, RowMetrics } from "./evaluate-system.js";
import type { TrainingRun } from "./training-run.js";

type ByRow = Readonly<Record<string, number>>;

/** The last line of `psgl demo --json`. Fractions are in 0..1; rows are the streams and `fused`. */
export interface DemoResult {
	readonly data: string;
	readonly devices: number;
	readonly rounds: number;
	readonly seed: number;
	readonly accuracy: ByRow;
	readonly balancedAccuracy: ByRow;
	readonly auc: ByRow;
	readonly withoutMap: { readonly accuracy: ByRow };
	/** Null when nothing was attacked. */
	readonly attacked: Readonly<Record<AttackName, ByRow>> | null;
	readonly vanilla: {
		readonly accuracy: number;
		readonly balancedAccuracy: number;
		readonly auc: number;
		readonly attacked: Readonly<Record<AttackName, number>> | null;
	};
	readonly majority: number;
	readonly stepsPerSecond: number;
	readonly bytesUpPerSample: number;
	readonly bytesDownPerSample: number;
	readonly lost: number;
	readonly doubled: number;
	readonly wallSeconds: number;
}

export interface Trained {
	readonly run: TrainingRun;
	readonly evaluation: Evaluation;
}

export interface DemoSettings {
	readonly devices: number;
	readonly rounds: number;
	readonly seed: number;
}

/** Puts the numbers of both systems together. */
export function demoResult(
	splits: DataSplits,
	settings: DemoSettings,
	psgl: Trained,
	vanilla: Trained,
	wallSeconds: number,
): DemoResult {
	const { deployed, withoutMap, attacked } = psgl.evaluation;
	const { counts } = psgl.run;
	const control = vanilla.evaluation;
	const controlFused = control.deployed.fused;
	return {
		data: splits.name,
		devices: settings.devices,
		rounds: settings.rounds,
		seed: settings.seed,
		accuracy: pick(deployed, "accuracy"),
		balancedAccuracy: pick(deployed, "balancedAccuracy"),
		auc: pick(deployed, "auc"),
		withoutMap: { accuracy: pick(withoutMap, "accuracy") },
		attacked: attacked === undefined ? null : byAttack(attacked, (rows) => rows.accuracy),
		vanilla: {
			accuracy: controlFused?.accuracy ?? Number.NaN,
			balancedAccuracy: controlFused?.balancedAccuracy ?? Number.NaN,
			auc: controlFused?.auc ?? Number.NaN,
			attacked:
				control.attacked === undefined ? null : byAttack(control.attacked, (rows) => rows.accuracy.fused as number),
		},
		majority: majorityShare(splits.test),
		stepsPerSecond: counts.steps / counts.seconds,
		bytesUpPerSample: counts.bytesUp / counts.samples,
		bytesDownPerSample: counts.bytesDown / counts.samples,
		lost: psgl.run.counts.lost + vanilla.run.counts.lost,
		doubled: psgl.run.counts.doubled + vanilla.run.counts.doubled,
		wallSeconds,
	};
}

/** Accuracy of always answering the class that is most frequent in test. */
export function majorityShare({ labels, classes }: Dataset): number {
	const counts = new Uint32Array(classes.length);
	for (const label of labels) counts[label] = (counts[label] ?? 0) + 1;
	return Math.max(...counts) / labels.length;
}

function pick(rows: RowMetrics, metric: "accuracy" | "balancedAccuracy" | "auc"): ByRow {
	return Object.fromEntries(Object.entries(rows).map(([row, metrics]) => [row, metrics[metric]]));
}

function byAttack<T>(
	attacked: Readonly<Record<AttackName, RowAccuracy>>,
	take: (rows: RowAccuracy) => T,
): Readonly<Record<AttackName, T>> {
	return Object.fromEntries(attackNames.map((name) => [name, take(attacked[name])])) as Record<AttackName, T>;
}
