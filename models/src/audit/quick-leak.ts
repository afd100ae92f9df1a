import type { Random, Runtime, Tensor } from "@psgl/sdk";
import type { Artifact } from "@psgl/sdk/artifact";
import type { WireDType } from "@psgl/sdk/protocol";
import type { DataSplits } from "@psgl/sdk/sources";
import { type Anchors, anchors as anchorSamples } from "./anchors.js";
import { auditBudgets } from "./audit-budget.js";
import { auditData } from "./audit-data.js";
import { AuditTarget } from "./audit-target.js";
import { kernelRidgeDecoder } from "./kernel-ridge-decoder.js";
import { type Leak, leakOf } from "./leak.js";
import { allOf, openScene } from "./open-scene.js";
import { ReconstructionQuality } from "./reconstruction-quality.js";

type Real = Tensor<"float32">;

/** A few hundred samples of the attacker's own: seconds, not minutes. */
export const quickLeakBudget = {
	...auditBudgets.quick,
	victims: 48,
	candidates: 48,
	attackerSamples: 400,
	kernelSamples: 400,
} as const;

export interface QuickLeakOptions {
	readonly runtime: Runtime;
	readonly threads: number;
	/** Element type of real numbers on the wire. */
	readonly wire: WireDType;
	readonly random: Random;
	readonly signal?: AbortSignal | undefined;
}

/** What the quick attack makes of one network. */
export interface RebuiltSamples extends Leak {
	/** Smashed data of the victims as they arrive. */
	readonly seen: Real;
	/** [V, ...shape] */
	readonly rebuilt: Real;
	/** Mean over the victims. */
	readonly similarity: number;
}

export interface QuickLeak {
	/** [V, ...shape] */
	readonly originals: Real;
	readonly anchors: Anchors;
	readonly undefended: Omit<RebuiltSamples, keyof Leak>;
	readonly networks: Readonly<Record<string, RebuiltSamples>>;
}

/**
 * The two headlines of networks by one attack alone, the closed-form decoder: a glance, and a lower end of what leaks. `psgl audit` makes the
 * others.
 * @throws DataError `PSGL_AUDIT_SAMPLES` when there are too few samples.
 */
export async function quickLeak(
	networks: Readonly<Record<string, Artifact>>,
	undefended: Artifact,
	data: DataSplits,
	options: QuickLeakOptions,
): Promise<QuickLeak> {
	const { runtime, threads, random } = options;
	const parts = auditData(data, undefined, quickLeakBudget, random.fork("data"));
	const originals = allOf(parts.victims);
	const anchors = anchorSamples(parts.attacker, parts.victims.labels);
	await using quality = await ReconstructionQuality.load(runtime, parts.victims.shape, threads);
	const similarityOf = async (guess: Real) => (await quality.measure(originals, guess)).similarity;
	const rebuild = async (artifact: Artifact) => {
		await using target = await AuditTarget.load(artifact, options);
		const scene = await openScene(target, parts, { ...options, budget: quickLeakBudget });
		const rebuilt = await kernelRidgeDecoder(scene);
		return { seen: scene.seen, rebuilt, similarity: await similarityOf(rebuilt) };
	};
	const free = await rebuild(undefended);
	const known = {
		mean: await similarityOf(anchors.mean),
		classMean: await similarityOf(anchors.classMean),
		undefended: free.similarity,
	};
	const results: Record<string, RebuiltSamples> = {};
	for (const [name, artifact] of Object.entries(networks)) {
		const own = await rebuild(artifact);
		const { leak, leakBeyondLabel } = leakOf(own.similarity, known);
		results[name] = { ...own, leak, leakBeyondLabel };
	}
	return { originals, anchors, undefended: free, networks: results };
}
