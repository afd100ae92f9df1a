import type { ClientWeights } from "@psgl/sdk/protocol";
import type { Validation } from "./events.js";
import type { Reservoir } from "./reservoir.js";
import type { ServerWeights } from "./server-segment.js";
import type { ResolvedSettings } from "./settings.js";
import type { BestRound } from "./training-state.js";
import { averagesWeights } from "./weight-average.js";

/** A round's weights and what they are worth. */
export interface ValidatedRound {
	readonly round: number;
	/** Undefined when no device validated. */
	readonly validation: Validation | undefined;
	readonly client: ClientWeights;
	readonly server: ServerWeights;
	readonly samples: readonly (Reservoir | undefined)[];
}

/**
 * The better of the best round before and this one: lower loss of the decision is better. Accuracy would pick lucky rounds: with a
 * hundred validation samples it is off by several points. So would the loss among the weights of single steps, which differ far more
 * from round to round than means of weights do: the first mean takes the place of whatever came before it.
 */
export function bestRound(
	before: BestRound | undefined,
	{ round, validation, client, server, samples }: ValidatedRound,
	{ rounds, weightAveraging }: Pick<ResolvedSettings, "rounds" | "weightAveraging">,
): BestRound | undefined {
	const decision = validation?.fused;
	if (decision === undefined) return before;
	const { loss } = decision;
	const isMean = (of: number) => weightAveraging && averagesWeights(of, rounds);
	const comparable = before !== undefined && isMean(before.round) === isMean(round);
	if (comparable && loss >= before.loss) return before;
	const { params, stats } = server;
	return { round, loss, client, server: { params, stats }, samples: samples.filter((r) => r !== undefined) };
}
