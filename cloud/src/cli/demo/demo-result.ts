import {
	type AttackName,
	attackNames,
	type Leak,
	type RowAccuracy,
	type RowMetrics,
	type TransitLoss,
} from "@psgl/models";
import type { DataSplits, Dataset } from "@psgl/sdk/sources";
import type { DeviceCost } from "./device-cost.js";
import type { Evaluation } from "./evaluate-system.js";
import type { LeakMeasurement, ModeLeak } from "./measure-leak.js";
import { type SeveralLabels, severalLabels } from "./several-labels.js";
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
	/** Accuracy of always answering the test part's most frequent class, or of deciding each label as it is for most samples. */
	readonly majority: number;
	/** Null where each sample has one class. */
	readonly severalLabels: SeveralLabels | null;
	/** Batches of the psgl system, all devices. */
	readonly stepsPerSecond: number;
	/** All payloads of its training, weights and validation included, over the samples trained on. */
	readonly bytesUpPerSample: number;
	readonly bytesDownPerSample: number;
	/** What a quick attack rebuilds from what devices send, by privacy mode; null when nothing was attacked, or it could not be measured. */
	readonly leak: Readonly<Record<string, Leak>> | null;
	/** Bits that training releases of one record at most, label included, by privacy mode. */
	readonly bitsPerRecord: Readonly<Record<string, number>>;
	/** What the system, by its privacy mode, and `vanilla` ask of a device; times are those of this machine. */
	readonly deviceCost: Readonly<Record<string, DeviceCost>>;
	readonly lost: number;
	readonly doubled: number;
	readonly wallSeconds: number;
}

/** A trained system and what it is worth. */
export interface Trained {
	readonly run: TrainingRun;
	readonly evaluation: Evaluation;
	/** Half of the channels lost on the way; undefined where there is no masked recovery. */
	readonly transit?: TransitLoss | undefined;
}

export interface DemoSettings {
	readonly devices: number;
	readonly rounds: number;
	readonly seed: number;
	readonly privacy: string;
}

/** Puts the numbers of both systems together. */
export function demoResult(
	splits: DataSplits,
	settings: DemoSettings,
	psgl: Trained,
	vanilla: Trained,
	leak: LeakMeasurement | undefined,
	deviceCost: Readonly<Record<string, DeviceCost>>,
	wallSeconds: number,
): DemoResult {
	const { deployed, withoutMap, attacked } = psgl.evaluation;
	const { counts, traffic, seconds } = psgl.run.result;
	const other = vanilla.run.result.counts;
	const control = vanilla.evaluation;
	const controlAttacked = control.attacked;
	return {
		data: splits.name,
		devices: settings.devices,
		rounds: settings.rounds,
		seed: settings.seed,
		accuracy: byRow(deployed, "accuracy"),
		balancedAccuracy: byRow(deployed, "balancedAccuracy"),
		auc: byRow(deployed, "auc"),
		withoutMap: { accuracy: byRow(withoutMap, "accuracy") },
		attacked: attacked === undefined ? null : byAttack(attacked, (rows) => rows.accuracy),
		vanilla: {
			accuracy: byRow(control.deployed, "accuracy").fused as number,
			balancedAccuracy: byRow(control.deployed, "balancedAccuracy").fused as number,
			auc: byRow(control.deployed, "auc").fused as number,
			attacked:
				controlAttacked === undefined ? null : byAttack(controlAttacked, (rows) => rows.accuracy.fused as number),
		},
		majority: majorityShare(splits.test),
		severalLabels: severalLabels(splits.test.classes, deployed, control.deployed),
		stepsPerSecond: counts.applied / seconds,
		bytesUpPerSample: traffic.bytesUp / counts.samples,
		bytesDownPerSample: traffic.bytesDown / counts.samples,
		leak: leak === undefined ? null : byMode(leak, ({ leak, leakBeyondLabel }) => ({ leak, leakBeyondLabel })),
		bitsPerRecord: {
			...(leak && byMode(leak, ({ bitsPerRecord }) => bitsPerRecord)),
			[settings.privacy]: psgl.run.bitsPerRecord,
			vanilla: vanilla.run.bitsPerRecord,
		},
		deviceCost,
		lost: counts.lost + other.lost,
		doubled: counts.doubled + other.doubled,
		wallSeconds,
	};
}

function byMode<T>({ modes }: LeakMeasurement, take: (leak: ModeLeak) => T): Readonly<Record<string, T>> {
	return Object.fromEntries(Object.entries(modes).map(([mode, leak]) => [mode, take(leak)]));
}

/** One metric of each row. */
export function byRow(rows: RowMetrics, metric: "accuracy" | "balancedAccuracy" | "auc"): ByRow {
	return Object.fromEntries(Object.entries(rows).map(([row, metrics]) => [row, metrics[metric]]));
}

/** Accuracy of always answering the class that is most frequent, or of deciding each label as it is for most samples. */
function majorityShare({ labels, targets, classes }: Dataset): number {
	const counts = new Uint32Array(classes.length);
	if (targets === undefined) {
		for (const label of labels) counts[label] = (counts[label] ?? 0) + 1;
		return Math.max(...counts) / labels.length;
	}
	for (const [i, mark] of targets.entries()) counts[i % classes.length] = (counts[i % classes.length] ?? 0) + mark;
	const right = counts.reduce((sum, count) => sum + Math.max(count, labels.length - count), 0);
	return right / targets.length;
}

function byAttack<T>(
	attacked: Readonly<Record<AttackName, RowAccuracy>>,
	take: (rows: RowAccuracy) => T,
): Readonly<Record<AttackName, T>> {
	return Object.fromEntries(attackNames.map((name) => [name, take(attacked[name])])) as Record<AttackName, T>;
}
