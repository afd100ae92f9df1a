import type { Runtime } from "@psgl/sdk";
import type { Artifact } from "@psgl/sdk/artifact";
import type { WireDType } from "@psgl/sdk/protocol";
import type { DataSplits } from "@psgl/sdk/sources";
import type { AuditAttackName, ReconstructionName } from "./attack-catalogue.js";
import type { AuditBudget } from "./audit-budget.js";
import type { InferenceResult, ReconstructionFigures, SkippedAttack } from "./audit-result.js";

/** What an audit tells while it works. */
export type AuditEvent =
	| { readonly type: "progress"; readonly what: string; readonly share: number }
	| { readonly type: "finished"; readonly result: InferenceResult | AttackedBoth }
	| { readonly type: "skipped"; readonly skipped: SkippedAttack };

/** A reconstruction attack on both networks, before the anchors are known. */
export interface AttackedBoth {
	readonly name: ReconstructionName;
	readonly victims: number;
	readonly defended: ReconstructionFigures;
	readonly undefended: ReconstructionFigures;
	readonly seconds: number;
}

export interface AuditOptions {
	readonly runtime: Runtime;
	readonly threads?: number;
	readonly seed: number;
	readonly budget: AuditBudget;
	readonly attacks: readonly AuditAttackName[];
	/** Element type on the wire. */
	readonly wire: WireDType;
	/** Samples of the attacker's own; default: the train part of the data. */
	readonly attackerData?: DataSplits | undefined;
	/** The network without a defence; default: the same network, trained on the attacker's samples. */
	readonly undefended?: Artifact | undefined;
	/** Versions of the artifact from earlier rounds of its training, oldest first, for the path attack. */
	readonly earlier?: readonly Artifact[] | undefined;
	/** Ends the audit after the attacks that are finished. */
	readonly signal?: AbortSignal | undefined;
	readonly onEvent?: ((event: AuditEvent) => void) | undefined;
}
