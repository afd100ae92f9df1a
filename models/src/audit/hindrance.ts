import type { ReconstructionAttack } from "./attack-catalogue.js";
import type { AuditTarget } from "./audit-target.js";

/** What an attack asks of the networks it is made on. */
export type Needs = Pick<ReconstructionAttack, "needsServer" | "needsGradients">;

/** Why an attack cannot be made on these networks, the audited one first; undefined where it can. */
export function hindrance(
	{ needsServer = false, needsGradients = false }: Needs,
	networks: readonly [AuditTarget, ...AuditTarget[]],
): string | undefined {
	if (needsServer && networks.some(({ manifest }) => manifest.part !== "joint")) {
		return "needs the joint artifact: the aggregator's half takes part in it";
	}
	const { release } = networks[0].manifest.disclosure;
	if (needsGradients && release !== "every-epoch") {
		return "does not apply: the device learns by itself, and no gradient goes back to it";
	}
	return undefined;
}
