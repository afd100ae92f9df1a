import {
	type Leak,
	presetDefinition,
	quickLeak,
	quickLeakBudget,
	recordBits,
	trainBriefly,
	zooNetwork,
} from "@psgl/models";
import { DataError, type Runtime, seededRandom } from "@psgl/sdk";
import type { Artifact } from "@psgl/sdk/artifact";
import { smashedBits } from "@psgl/sdk/ledger";
import type { WireDType } from "@psgl/sdk/protocol";
import type { DataSplits } from "@psgl/sdk/sources";
import { stratifiedPart } from "../data-options.js";
import type { VerbContext } from "../verb.js";

/** What the quick audit says of one privacy mode. */
export interface ModeLeak extends Leak {
	/** Bits that training releases of one record at most, label included. */
	readonly bitsPerRecord: number;
	/** Trained here for the audit alone, on a part of the samples; else by the fleet, as everything else that is measured. */
	readonly trainedHere: boolean;
}

export interface LeakMeasurement {
	readonly modes: Readonly<Record<string, ModeLeak>>;
	readonly victims: number;
	readonly attackerSamples: number;
	/** Samples and steps of the networks that are trained here. */
	readonly trainSamples: number;
	readonly steps: number;
}

/** A network of the demo. */
export interface TrainedMode {
	/** Name of its privacy mode. */
	readonly mode: string;
	readonly artifact: Artifact;
	readonly bitsPerRecord: number;
}

export interface LeakOptions {
	readonly splits: DataSplits;
	readonly network: string;
	/** Of all that is printed: each record leaves once in each round of `paper`. */
	readonly rounds: number;
	readonly wire: WireDType;
	readonly seed: number;
	readonly runtime: Runtime;
	readonly threads: number;
}

/** Modes that stand in every result. */
const shown = ["paper", "shield"] as const;

/** Of the networks trained here: enough for the client segment to send what one of its kind sends. */
const steps = 160;
const trainSamples = 480;

/**
 * Attacks what the trained network, `paper` and `shield` send, by the closed-form decoder alone, against the demo's own vanilla
 * network. Undefined where that cannot be measured: too few samples, or several labels to a sample.
 */
export async function measureLeak(
	trained: TrainedMode,
	vanilla: Artifact,
	options: LeakOptions,
	{ output, signal }: VerbContext,
): Promise<LeakMeasurement | undefined> {
	const { splits, seed, runtime, threads, wire } = options;
	if (splits.train.targets !== undefined) return undefined;
	const random = seededRandom(seed).fork("leak");
	const part = stratifiedPart(splits.train, trainSamples, seed);
	const here = shown.filter((mode) => mode !== trained.mode);
	const progress = output.progress("what leaks", here.length + 1);
	const networks: Record<string, Artifact> = { [trained.mode]: trained.artifact };
	const bits: Record<string, number> = { [trained.mode]: trained.bitsPerRecord };
	try {
		for (const [done, mode] of here.entries()) {
			const definition = presetDefinition(
				mode,
				zooNetwork(options.network),
				part.shape,
				part.classes,
				splits.train.length,
			);
			const own = { runtime, threads, random: random.fork(mode), steps, signal };
			const artifact = await trainBriefly(definition, mode, part, own);
			networks[mode] = artifact;
			bits[mode] = bitsOf(artifact, options);
			progress.update(done + 1);
		}
		const found = await quickLeak(networks, vanilla, splits, { runtime, threads, wire, random, signal });
		progress.update(here.length + 1);
		const modes = Object.entries(found.networks).map(([mode, { leak, leakBeyondLabel }]): [string, ModeLeak] => [
			mode,
			{ leak, leakBeyondLabel, bitsPerRecord: bits[mode] as number, trainedHere: mode !== trained.mode },
		]);
		return {
			modes: Object.fromEntries(modes),
			victims: found.originals.dims[0] as number,
			attackerSamples: Math.min(quickLeakBudget.attackerSamples, splits.train.length),
			trainSamples: part.length,
			steps,
		};
	} catch (error) {
		if (error instanceof DataError && error.code === "PSGL_AUDIT_SAMPLES") return undefined;
		throw error;
	} finally {
		progress.stop();
	}
}

/** What a run of the demo's rounds would release of one record: in each round anew, or one code. */
function bitsOf({ manifest }: Artifact, { rounds, wire }: LeakOptions): number {
	const classes = manifest.classes.length;
	if (manifest.code !== null) return recordBits(manifest.code, classes);
	return rounds * smashedBits(manifest, wire) + Math.log2(classes);
}
