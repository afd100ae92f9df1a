import { type ReconstructionAttack, type ReconstructionName, reconstructionAttacks } from "./attack-catalogue.js";
import type { AttackedBoth } from "./audit-options.js";
import type { ReconstructionResult } from "./audit-result.js";
import { isWeak, type LeakAnchors, leakOf } from "./leak.js";

/** An attack on both networks with the similarity of every victim. */
export interface Attacked {
	readonly result: AttackedBoth;
	/** [N] on the undefended network. */
	readonly undefended: Float32Array;
}

/** Similarity of every victim [N] to what needs nothing of the smashed data. */
export interface AnchorSimilarities {
	readonly mean: Float32Array;
	readonly classMean: Float32Array;
	/** Undefined where no decoder was made. */
	readonly labelDecoder: Float32Array | undefined;
}

/** The headlines of an audit, each with the attack behind it. */
export type Headline = "leak" | "leakBeyondLabel" | "leakBeyondLabelDecoder";

export interface JudgedAttacks {
	readonly reconstructions: readonly ReconstructionResult[];
	readonly anchorsOf: (victims: number) => LeakAnchors;
	/** The largest of each headline; undefined where none could be measured. */
	readonly worst: Readonly<Partial<Record<Headline, ReconstructionResult>>>;
}

/** Holds attacks against their anchors; one that took fewer victims against the anchors of those alone. */
export function judgeAttacks(found: readonly Attacked[], similarities: AnchorSimilarities): JudgedAttacks {
	const honest = found.filter(({ result: { name } }) => !(reconstructionAttacks[name] as ReconstructionAttack).active);
	const anchorsOf = (victims: number): LeakAnchors => {
		const first = (each: Float32Array) => meanOf(each.subarray(0, victims));
		const onAll = honest.filter(({ undefended }) => undefended.length >= victims);
		const compared = onAll.length > 0 ? onAll : honest;
		const { mean, classMean, labelDecoder } = similarities;
		return {
			mean: first(mean),
			classMean: first(classMean),
			...(labelDecoder !== undefined && { labelDecoder: first(labelDecoder) }),
			undefended: compared.length === 0 ? Number.NaN : Math.max(...compared.map(({ undefended }) => first(undefended))),
		};
	};
	const reconstructions = found.map(({ result }): ReconstructionResult => {
		const anchors = anchorsOf(result.victims);
		const weak = isWeak(result.undefended.similarity, anchors);
		return { ...result, ...leakOf(result.defended.similarity, anchors), anchors, weak };
	});
	const worstBy = (key: Headline) =>
		reconstructions.reduce<ReconstructionResult | undefined>(
			(worst, one) => (Number.isNaN(one[key]) || (worst && worst[key] >= one[key]) ? worst : one),
			undefined,
		);
	const names = ["leak", "leakBeyondLabel", "leakBeyondLabelDecoder"] as const;
	const worst = Object.fromEntries(names.flatMap((name) => [[name, worstBy(name)] as const].filter(([, one]) => one)));
	return { reconstructions, anchorsOf, worst };
}

/** Names of the attacks behind the headlines. */
export function worstNames({ worst }: JudgedAttacks): Readonly<Partial<Record<Headline, ReconstructionName>>> {
	return Object.fromEntries(Object.entries(worst).map(([headline, { name }]) => [headline, name]));
}

const meanOf = (values: Float32Array) => values.reduce((sum, value) => sum + value, 0) / values.length;
