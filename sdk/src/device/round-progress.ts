import type { RoundMessage } from "../protocol/index.js";

/** Where a device is in a round. */
export interface RoundProgress {
	/** Without tensors: the weights are the client state's. */
	readonly round: RoundMessage;
	/** Batches that have their answer: the next one's number. */
	readonly seq: number;
	/** Training steps made. */
	readonly steps: number;
	/** Samples of these. */
	readonly samples: number;
	/** Sum over the samples of the local head's cross-entropy (training). */
	readonly lossSum: number;
	/** Samples the local head got right (validation). */
	readonly right: number;
	/** The aggregator has everything of this round, or wants no more. */
	readonly done: boolean;
}

export function startOfRound({ tensors: _, ...round }: RoundMessage): RoundProgress {
	return { round, seq: 0, steps: 0, samples: 0, lossSum: 0, right: 0, done: false };
}
