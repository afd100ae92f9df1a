import { seededRandom } from "@psgl/sdk";
import { type CodeSettings, decodeArtifact, type Manifest } from "@psgl/sdk/artifact";
import type { DataSplits } from "@psgl/sdk/sources";
import { compileArtifact, withWeights } from "../compile/compile-model.js";
import { presetDefinition, recordBits } from "../compile/presets.js";
import { trainOnce } from "../training/train-once.js";
import { zooNetwork } from "../zoo/index.js";
import { isReconstruction } from "./attack-catalogue.js";
import { auditData } from "./audit-data.js";
import type { AuditOptions } from "./audit-options.js";
import type { LeakFigures } from "./leak.js";
import { runAudit } from "./run-audit.js";
import { undefendedReference } from "./undefended-reference.js";

/** What a code of some width lets through, and what decisions on it are worth. */
export interface CodePoint extends LeakFigures {
	readonly code: CodeSettings;
	/** Bits of one sample's code. */
	readonly bits: number;
	/** On the test part. */
	readonly balancedAccuracy: number;
}

/** Widths in bits that a sweep goes through. */
const widths = [1, 2, 4, 8, 16, 64];
const mostBits = 4;
const training = { batchSize: 64, learningRate: 1e-3, shieldWeight: 1 } as const;

/** Codes of a sweep for so many classes: the narrowest still tell the classes apart. */
export function sweptCodes(classes: number): readonly CodeSettings[] {
	return widths.flatMap((width) => {
		const bits = Math.min(width, mostBits);
		return 2 ** width < classes ? [] : [{ numbers: width / bits, bits }];
	});
}

/**
 * Trains the network of an artifact with codes of several widths on the train part, as a device with the privacy mode `shield` does,
 * and audits each by the reconstruction attacks of `options`. Ends with what is finished where `options.signal` says so.
 *
 * @throws ConfigError for a network that is not in the zoo, and what `runAudit` throws
 */
export async function sweepCodes(
	{ network: name, inputShape, classes, ...manifest }: Manifest,
	data: DataSplits,
	options: AuditOptions,
): Promise<readonly CodePoint[]> {
	const { runtime, threads = 1, seed, budget, signal, onEvent } = options;
	const network = zooNetwork(name);
	const random = seededRandom(seed).fork("sweep");
	const { attacker } = auditData(data, options.attackerData, budget, random.fork("data"));
	const progress = (what: string) => (share: number) => onEvent?.({ type: "progress", what, share });
	const epochs = Math.ceil((budget.codeSteps * training.batchSize) / data.train.length);
	const points: CodePoint[] = [];
	try {
		const reference = { ...manifest, network: name, inputShape, classes };
		const undefended =
			options.undefended ??
			(await undefendedReference(reference, attacker, {
				runtime,
				threads,
				random: random.fork("undefended"),
				steps: budget.undefendedSteps,
				signal,
				onProgress: progress("undefended network of the sweep"),
			}));
		for (const code of sweptCodes(classes.length)) {
			const bits = code.numbers * code.bits;
			const own = random.fork(`${bits} bits`);
			const preset = presetDefinition("shield", network, inputShape, classes, data.train.length);
			const disclosure = { release: "once", budgetBits: recordBits(code, classes.length) } as const;
			const fresh = await compileArtifact(
				{ ...preset, code, disclosure },
				{ name: `${bits} bits`, random: own.fork("weights") },
			);
			const weights = await trainOnce(fresh, data.train, {
				...training,
				runtime,
				threads,
				random: own.fork("training"),
				localEpochs: epochs,
				serverEpochs: epochs,
				signal,
				onProgress: progress(`training a code of ${bits} bits`),
			});
			const artifact = await decodeArtifact(await withWeights(fresh, weights, "sweep of an audit"));
			const attacks = options.attacks.filter((attack) => isReconstruction(attack) && attack !== "path");
			const result = await runAudit(artifact, data, {
				...options,
				attacks,
				undefended,
				earlier: [],
				onEvent: (event) => event.type === "progress" && progress(`${event.what}, ${bits} bits`)(event.share),
			});
			if (!result.complete) break;
			const balancedAccuracy = result.utility?.balancedAccuracy ?? Number.NaN;
			const { leak, leakBeyondLabel, leakBeyondLabelDecoder } = result;
			points.push({ code, bits, balancedAccuracy, leak, leakBeyondLabel, leakBeyondLabelDecoder });
		}
	} catch (error) {
		if (!signal?.aborted) throw error;
	}
	return points;
}
