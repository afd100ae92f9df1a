import {
	type AttackName,
	attackedAccuracy,
	type DeployedSystem,
	deployedMetrics,
	type RowAccuracy,
	type RowMetrics,
} from "@psgl/models";
import type { Random } from "@psgl/sdk";
import type { Dataset } from "@psgl/sdk/sources";

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

/** Measures a system as deployed, without its map and under attack. */
export async function evaluateSystem(system: DeployedSystem, options: EvaluationOptions): Promise<Evaluation> {
	const { test, attackTest, random, signal, onProgress } = options;
	return {
		rows: system.rows,
		deployed: await deployedMetrics(system, test, { signal }),
		withoutMap: await deployedMetrics(system, test, { withMap: false, signal }),
		attackedSamples: attackTest?.length ?? 0,
		attacked: attackTest && (await attackedAccuracy(system, attackTest, { random, signal, onProgress })),
	};
}
