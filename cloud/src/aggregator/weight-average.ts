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
	const mean = (of: Vector, next: Vector): Vector => ({ ...of, data: moved(of.data, next.data, legs) });
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

/** A loop of its own: the devices wait for the next leg meanwhile. */
function moved(from: Float32Array, to: Float32Array, legs: number): Float32Array {
	const result = new Float32Array(from.length);
	for (let i = 0; i < from.length; i++) {
		const value = from[i] as number;
		result[i] = value + ((to[i] as number) - value) / legs;
	}
	return result;
}
