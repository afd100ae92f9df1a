import {
	type AttackName,
	attackedAccuracy,
	type ClassificationMetrics,
	classificationMetrics,
	type DeployedSystem,
	type RowAccuracy,
} from "@psgl/models";
import type { Random, Tensor } from "@psgl/sdk";
import type { Dataset } from "@psgl/sdk/sources";

/** Metrics by stream, and of the decision as `fused`. */
export type RowMetrics = Readonly<Record<string, ClassificationMetrics>>;

/** What a trained system is worth on test inputs. */
export interface Evaluation {
	/** Streams, then `fused`. */
	readonly rows: readonly string[];
	/** As deployed: the device adds its own map. */
	readonly deployed: RowMetrics;
	/** The same without the map. */
	readonly withoutMap: RowMetrics;
	/** Test inputs that were attacked. */
	readonly attackedSamples: number;
	/** Under white-box attacks; undefined when none were asked for. */
	readonly attacked: Readonly<Record<AttackName, RowAccuracy>> | undefined;
}

export interface EvaluationOptions {
	/** Test inputs. */
	readonly test: Dataset;
	/** The part of them that is attacked; undefined: no attacks. */
	readonly attackTest: Dataset | undefined;
	readonly random: Random;
	readonly signal: AbortSignal;
	/** Called with the number of test inputs attacked so far. */
	readonly onProgress: (done: number, total: number) => void;
}

const batchSize = 128;

/** Measures a system as deployed, without its map and under attack. */
export async function evaluateSystem(system: DeployedSystem, options: EvaluationOptions): Promise<Evaluation> {
	const { test, attackTest, random, signal, onProgress } = options;
	return {
		rows: system.rows,
		deployed: await rowMetrics(system, test, true, signal),
		withoutMap: await rowMetrics(system, test, false, signal),
		attackedSamples: attackTest?.length ?? 0,
		attacked: attackTest && (await attackedAccuracy(system, attackTest, { random, signal, onProgress })),
	};
}

async function rowMetrics(
	system: DeployedSystem,
	data: Dataset,
	withMap: boolean,
	signal: AbortSignal,
): Promise<RowMetrics> {
	const { rows, classes } = system;
	const scores = rows.map(() => new Float32Array(data.length * classes));
	for (let start = 0; start < data.length; start += batchSize) {
		signal.throwIfAborted();
		const count = Math.min(batchSize, data.length - start);
		const { x } = data.batch(Array.from({ length: count }, (_, i) => start + i));
		collectRows(await system.scores(x, withMap), scores, start, classes);
	}
	return Object.fromEntries(
		rows.map((name, row) => [name, classificationMetrics(scores[row] as Float32Array, data.labels, classes)]),
	);
}

/** Sorts scores [B,rows,K] into one [N,K] for each row. */
function collectRows(scores: Tensor<"float32">, target: readonly Float32Array[], start: number, classes: number): void {
	const [count = 0, rows = 0] = scores.dims;
	for (let b = 0; b < count; b++) {
		for (let row = 0; row < rows; row++) {
			const from = (b * rows + row) * classes;
			target[row]?.set(scores.data.subarray(from, from + classes), (start + b) * classes);
		}
	}
}
