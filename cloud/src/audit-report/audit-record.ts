import type { AuditAttackName, AuditBudgetName, AuditResult } from "@psgl/models";
import { inferenceAttacks, isReconstruction, reconstructionAttacks } from "@psgl/models";

/** How an audit was made, so that it can be made again. */
export interface AuditOrigin {
	readonly command: string;
	readonly artifact: {
		readonly file: string;
		readonly name: string;
		readonly version: number;
		readonly sha256: string;
	};
	/** The privacy mode and what it has leave a device, in one line. */
	readonly privacy: string;
	readonly data: string;
	readonly seed: number;
	readonly threads: number;
	readonly budget: AuditBudgetName;
	readonly wire: string;
	readonly runtime: string;
	readonly program: string;
	readonly attacks: readonly AuditAttackName[];
	/** Names of the classes. */
	readonly classes: readonly string[];
}

/** What `audit.json` holds: everything but the pictures. */
export function auditRecord(result: AuditResult, origin: AuditOrigin): Readonly<Record<string, unknown>> {
	const { pictures: _, victimLabels: __, ...figures } = result;
	return { format: 1, origin, ...figures };
}

/** Title and threat model of an attack. */
export function describe(name: AuditAttackName): { readonly title: string; readonly threatModel: string } {
	return isReconstruction(name) ? reconstructionAttacks[name] : inferenceAttacks[name];
}
