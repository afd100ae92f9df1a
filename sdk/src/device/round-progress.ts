import type { RoundMessage } from "../protocol/index.js";

/** Where a device is in a round. */
export interface RoundProgress {
	/** `Enrolment.aggregator` when it began. */
	readonly aggregator: number;
	/** Without tensors: the weights are the client state's. */
	readonly round: RoundMessage;
	/** Batches that have their answer: the next one's number. */
	readonly seq: number;
	/** Batches before it of which too little may be released. */
	readonly skipped?: number | undefined;
	/** Training steps made. */
	readonly steps: number;
	/** Samples of these. */
	readonly samples: number;
	/** Sum over the samples of the local head's cross-entropy (training). */
	readonly lossSum: number;
	/** Samples the local head got right (validation); shares of a sample where several labels may apply to one. */
	readonly right: number;
	/** What the whole system made of them (validation whose labels stay on the device). */
	readonly decided?: { readonly samples: number; readonly right: number; readonly lossSum: number } | undefined;
	/** The aggregator has everything of this round, or wants no more. */
	readonly done: boolean;
}

export function startOfRound({ tensors: _, ...round }: RoundMessage, aggregator: number): RoundProgress {
	return { aggregator, round, seq: 0, steps: 0, samples: 0, lossSum: 0, right: 0, done: false };
}

/** A place in the order of rounds: by epoch, training before validation, by the version of the weights. */
type RoundPlace = Pick<RoundMessage, "epoch" | "task" | "model">;

/** Below 0 when round `a` comes before `b`, 0 when they are the same. */
export function compareRounds(a: RoundPlace, b: RoundPlace): number {
	const validates = ({ task }: RoundPlace) => (task === "validate" ? 1 : 0);
	return a.epoch - b.epoch || validates(a) - validates(b) || a.model - b.model;
}
