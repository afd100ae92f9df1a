import { z } from "zod";

const warmUpRounds = z.int().min(0).max(1_000_000);

/** How the learning rate changes from round to round. */
export const learningRateSchedule = z.discriminatedUnion("kind", [
	z.strictObject({ kind: z.literal("constant"), warmUpRounds }),
	/** Constant in the first half of the rounds, then falling linearly. */
	z.strictObject({ kind: z.literal("linear"), warmUpRounds }),
	/** Times `factor` after every `everyRounds` rounds. */
	z.strictObject({
		kind: z.literal("step"),
		warmUpRounds,
		everyRounds: z.int().positive(),
		factor: z.number().positive().max(1),
	}),
	/** Along half a cosine (Loshchilov and Hutter, ICLR 2017, Eq. 5, without restarts). */
	z.strictObject({ kind: z.literal("cosine"), warmUpRounds }),
]);

export type LearningRateSchedule = Readonly<z.infer<typeof learningRateSchedule>>;

/**
 * Share of the learning rate in a round, in (0,1]. During the first `warmUpRounds` it rises linearly: round r has
 * `r / (warmUpRounds + 1)` of what the schedule says for it.
 * @param round from 1
 */
export function learningRateShare(schedule: LearningRateSchedule, round: number, rounds: number): number {
	const warmth = Math.min(1, round / (schedule.warmUpRounds + 1));
	return warmth * scheduledShare(schedule, round, rounds);
}

function scheduledShare(schedule: LearningRateSchedule, round: number, rounds: number): number {
	switch (schedule.kind) {
		case "constant":
			return 1;
		case "linear": {
			const constant = Math.floor(rounds / 2);
			return Math.min(1, (rounds - round + 1) / (rounds - constant));
		}
		case "step":
			return schedule.factor ** Math.floor((round - 1) / schedule.everyRounds);
		case "cosine":
			return (1 + Math.cos((Math.PI * (round - 1)) / rounds)) / 2;
	}
}
