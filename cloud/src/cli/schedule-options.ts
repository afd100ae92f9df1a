import { z } from "zod";
import type { LearningRateSchedule } from "../aggregator/learning-rate-schedule.js";
import { type OptionValues, option } from "./options/option.js";

/** How the learning rate changes from round to round. */
export const scheduleOptions = {
	schedule: option(
		"KIND",
		"learning rate over the rounds: linear (falls in the second half), constant, step or cosine (docs/training.md)",
		z.enum(["linear", "constant", "step", "cosine"]).default("linear"),
	),
	warmUp: option("ROUNDS", "rounds in which the learning rate rises to its full size", z.int().min(0).default(0)),
	stepEvery: option(
		"ROUNDS",
		"with --schedule step: rounds between two steps (default: a third of all)",
		z.int().min(1).optional(),
	),
	stepFactor: option(
		"FACTOR",
		"with --schedule step: what a step multiplies the learning rate by",
		z.number().positive().max(1).default(0.1),
	),
} as const;

/** The schedule the options describe for a training of `rounds` rounds. */
export function scheduleFrom(options: OptionValues<typeof scheduleOptions>, rounds: number): LearningRateSchedule {
	const { schedule: kind, warmUp: warmUpRounds, stepFactor: factor } = options;
	if (kind !== "step") return { kind, warmUpRounds };
	return { kind, warmUpRounds, factor, everyRounds: options.stepEvery ?? Math.max(1, Math.ceil(rounds / 3)) };
}
