import type { DecisionMetrics } from "@psgl/models";
import { formatPercent } from "./format.js";

/** What a decision was measured to be worth, in a line; where several labels may apply, first what tells rounds apart. */
export function describeDecision(decision: DecisionMetrics | undefined): string {
	const accuracy = `accuracy ${formatPercent(decision?.accuracy)} (balanced ${formatPercent(decision?.balancedAccuracy)})`;
	if (decision === undefined || !("exactMatch" in decision)) return accuracy;
	return `AUC ${formatPercent(decision.auc)}, ${accuracy}, all labels right ${formatPercent(decision.exactMatch)}`;
}
