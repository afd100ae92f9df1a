import { z } from "zod";
import { threadsOption } from "../common-options.js";
import { option } from "../options/option.js";
import { storeOptions } from "../store-options.js";
import { defineVerb } from "../verb.js";

export const replayVerb = defineVerb({
	name: "replay",
	summary: "make a run again from its journal and compare the weights",
	description:
		"Makes every optimiser step of the journal in a state folder, or with --store of the logs of all partitions, again, from the beginning or, where that was not kept, from the oldest checkpoint, and compares the digest of the weights after each round with the one in the journal. Writes nothing but what --rounds-to asks for. Ends with 0 when all are the same to the last bit, else with 1. Weights are the same only with the engine, version and number of threads of the run.",
	options: {
		artifact: option("FILE", "joint artifact the run started from", z.string()),
		state: option("DIR", "state folder of psgl cloud", z.string().default("psgl-state")),
		...storeOptions,
		roundsTo: option(
			"DIR",
			"folder that gets an artifact with the weights after each round, for psgl audit --earlier; of a journal in a state folder",
			z.string().min(1).optional(),
		),
		threads: threadsOption,
	},
	examples: [
		{ command: "psgl replay --artifact chest.psgl --state psgl-state", does: "do the weights follow from the log?" },
		{
			command: "psgl replay --artifact chest.psgl --rounds-to rounds",
			does: "what devices sent with in every round of a run whose whole journal was kept",
		},
	],
	run: async (options, context) => (await import("./run-replay.js")).runReplay(options, context),
});
