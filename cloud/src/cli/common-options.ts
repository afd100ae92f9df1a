import { availableParallelism } from "node:os";
import { z } from "zod";
import { option } from "./options/option.js";

/** The broker of `psgl cloud` on this machine. */
export const defaultUrl = "mqtt://127.0.0.1:1883";

export const urlOption = option("URL", "broker", z.string().default(defaultUrl));

export const seedOption = option(
	"N",
	"the same seed and threads give the same run, bit for bit on one machine",
	z.int().min(0).max(0xffff_ffff).default(1),
);

export const threadsOption = option(
	"N",
	"threads one run of a graph may use (default: the cores, at most 2); another number may change the last bits of results",
	z.int().min(1).max(64).optional(),
);

/** More threads than this do not pay for networks of the zoo's size. */
export function defaultThreads(): number {
	return Math.min(2, availableParallelism());
}

export const connectDeadlineOption = option(
	"SECONDS",
	"give up when the broker has not answered after this time (default: never, it tries again with growing delays)",
	z.number().positive().max(86_400).optional(),
);
