import type { Manifest } from "@psgl/sdk/artifact";

/** One line on what leaves a device of a record and what is done to it before: the privacy mode's name, then the settings that count. */
export function describePrivacy(manifest: Manifest): string {
	const { privacy, code, map, robustBudget, recovery, tail, disclosure } = manifest;
	const { release, refreshes, budgetBits, randomisedResponse, randomisedLabels } = disclosure;
	const codings = { "every-epoch": "every epoch", once: "once", refresh: `${refreshes} times` }[release];
	const parts = [
		code === null ? "real numbers at the cut" : `a code of ${code.numbers} x ${code.bits} bits`,
		`sent ${codings}`,
		...(randomisedResponse === undefined ? [] : [`randomised with epsilon ${randomisedResponse.epsilon}`]),
		...(budgetBits === null ? [] : [`at most ${budgetBits.toFixed(1)} bits of a record`]),
		...(map === null ? [] : [`map ${map.budget}`]),
		...(robustBudget === 0 ? [] : [`robust training ${robustBudget.toFixed(4)}`]),
		...(recovery.kind === "none" ? [] : [`recovery ${recovery.kind}`]),
		...(randomisedLabels === undefined ? [] : [`labels randomised with epsilon ${randomisedLabels.epsilon}`]),
		...(tail === null ? [] : ["labels stay on the device"]),
	];
	return `${privacy ?? "not named"}: ${parts.join(", ")}`;
}
