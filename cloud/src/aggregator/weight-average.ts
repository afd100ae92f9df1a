import type { Tensor } from "@psgl/sdk";
import type { ClientWeights } from "@psgl/sdk/protocol";
import type { ServerWeights } from "./server-segment.js";

type Vector = Tensor<"float32">;

/**
 * Mean of the weights along the second half of a run (Izmailov et al., UAI 2018). Its decisions are steadier than those of the last
 * weights, and it withstands attacks better, most of all where samples are few (docs/results.md).
 */
export interface WeightAverage {
	/** Legs it is the mean of. */
	readonly legs: number;
	readonly client: ClientWeights;
	readonly server: ServerWeights;
}

/** Whether weights are averaged in a round: from the middle of the run on, when they no longer come far. */
export function averagesWeights(round: number, rounds: number): boolean {
	return round > Math.ceil(rounds / 2);
}

/** The mean with one leg more. The vectors given stay as they are. */
export function extendAverage(
	before: WeightAverage | undefined,
	client: ClientWeights,
	{ params, stats }: ServerWeights,
): WeightAverage {
	if (before === undefined) return { legs: 1, client, server: { params, stats } };
	const legs = before.legs + 1;
	const mean = (of: Vector, next: Vector): Vector => ({
		...of,
		data: of.data.map((value, i) => value + ((next.data[i] as number) - value) / legs),
	});
	return {
		legs,
		client: {
			params: mean(before.client.params, client.params),
			stats: mean(before.client.stats, client.stats),
			head: mean(before.client.head, client.head),
		},
		server: { params: mean(before.server.params, params), stats: mean(before.server.stats, stats) },
	};
}
