import type { Tensor } from "@psgl/sdk";
import type { InferenceName, ReconstructionName } from "./attack-catalogue.js";
import type { AttackerSet } from "./audit-data.js";
import type { Headline } from "./judge-attacks.js";
import type { LeakAnchors, LeakFigures } from "./leak.js";
import type { SimilarityKind } from "./similarity.js";

/** How near reconstructions come to the originals: means over the victims. */
export interface ReconstructionFigures {
	readonly mse: number;
	/** dB */
	readonly psnr: number;
	/** SSIM of pictures, correlation of signals. */
	readonly similarity: number;
	/** To the undefended network; undefined where there is none with both halves. */
	readonly perceptualDistance?: number;
	/** Only of signals: mean absolute difference after dynamic time warping. */
	readonly timeWarping?: number;
	/** Only of signals: correlation of what original and reconstruction have beyond the class mean. */
	readonly ownCorrelation?: number;
	/** Share of reconstructions that the undefended network puts in the original's class. */
	readonly recognised?: number;
}

export interface ReconstructionResult extends LeakFigures {
	readonly name: ReconstructionName;
	/** Victims it was tried on; attacks that optimise each sample take fewer. */
	readonly victims: number;
	readonly defended: ReconstructionFigures;
	readonly undefended: ReconstructionFigures;
	/** Over the victims it was tried on. */
	readonly anchors: LeakAnchors;
	/** Failed on the undefended network too: its failure here is no success of the defence. */
	readonly weak: boolean;
	readonly seconds: number;
}

export interface InferenceResult {
	readonly name: InferenceName;
	/** Top-1 share of linkage, AUC of the label, distance correlation. */
	readonly value: number;
	/** The same figure for the undefended network. */
	readonly undefended?: number;
	/** What guessing gets. */
	readonly chance: number;
	readonly note?: string;
}

export interface SkippedAttack {
	readonly name: ReconstructionName;
	readonly why: string;
}

/** Everything an audit found; `audit.json` without the pictures. */
export interface AuditResult extends LeakFigures {
	/** False where it was interrupted: attacks are missing. */
	readonly complete: boolean;
	/** The attack behind each headline. */
	readonly worst: Readonly<Partial<Record<Headline, ReconstructionName>>>;
	readonly similarity: SimilarityKind;
	/** Over the victims of the attack that took most. */
	readonly anchors: LeakAnchors;
	readonly meanSample: ReconstructionFigures;
	readonly classMeanSample: ReconstructionFigures;
	/** What a decoder makes of the label alone; absent where no decoder was among the attacks. */
	readonly labelDecoder?: ReconstructionFigures;
	/** Share of the victims themselves that the undefended network recognises. */
	readonly recognisedOriginals?: number;
	readonly reconstructions: readonly ReconstructionResult[];
	readonly inferences: readonly InferenceResult[];
	/** Attacks that could not be made. */
	readonly skipped: readonly SkippedAttack[];
	readonly victims: number;
	readonly attackerSamples: number;
	/** Where the attacker's samples come from: another part of the victims' set, or a set of its own. */
	readonly attackerSet: AttackerSet;
	/** Classes of the victims that are shown. */
	readonly victimLabels: Int32Array;
	/** How well the networks decide on samples of the test part; undefended where both halves of that are there. */
	readonly utility?: { readonly samples: number; readonly balancedAccuracy: number; readonly undefended?: number };
	/** Numbers a release of one sample holds, and its bits on the wire. */
	readonly release: { readonly values: number; readonly bits: number };
	readonly notes: readonly string[];
	readonly pictures: AuditPictures;
}

/** The first victims: what was, what left, what came back. All [n,...]. */
export interface AuditPictures {
	readonly originals: Tensor<"float32">;
	readonly smashed: Tensor<"float32">;
	readonly rebuilt: ReadonlyMap<ReconstructionName, Tensor<"float32">>;
	readonly rebuiltUndefended: ReadonlyMap<ReconstructionName, Tensor<"float32">>;
}
