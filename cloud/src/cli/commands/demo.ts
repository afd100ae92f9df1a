import { z } from "zod";
import { seedOption, threadsOption } from "../common-options.js";
import { dataOptions } from "../data-options.js";
import { dealOption } from "../deal-options.js";
import { settingOptions, zooHelp } from "../model-options.js";
import { option } from "../options/option.js";
import { batchSizeOption, trainingOptions } from "../training-options.js";
import { defineVerb } from "../verb.js";

export const demoVerb = defineVerb({
	name: "demo",
	summary: "everything in one process: train over MQTT, attack, compare with vanilla split learning",
	description:
		"Starts a broker, an aggregator and a fleet in this process, trains the psgl model over MQTT, trains vanilla split learning on the same data beside it, attacks both, prints a table, and writes the trained artifact and report.json.",
	options: {
		...dataOptions,
		devices: option("N", "devices of the fleet", z.int().min(1).max(1024).default(8)),
		deal: dealOption,
		rounds: option("N", "rounds of training, each over all data once", z.int().min(1).max(10_000).default(5)),
		seed: seedOption,
		model: option("NAME", "zoo model (default: lenet for pictures, ecg-1d for signals)", z.string().optional()),
		...settingOptions,
		...trainingOptions,
		batchSize: batchSizeOption("8 with the embedded set, else 16"),
		attackSamples: option(
			"N",
			"test inputs to attack, 0 for none (default: 96 of the embedded set, at most 1000 of another)",
			z.int().min(0).max(1_000_000).optional(),
		),
		threads: threadsOption,
		out: option("DIR", "folder for the artifact and report.json", z.string().default("psgl-demo")),
	},
	notes: `Zoo models:\n${zooHelp}`,
	examples: [
		{ command: "psgl demo", does: "the synthetic chest phantom on eight devices, in under a minute" },
		{
			command: "psgl demo --data pneumoniamnist.npz --rounds 10 --seed 2",
			does: "a real set of chest X-rays",
		},
		{
			command: "psgl demo --data mitbih128_disjoint.npz --devices 20 --deal patient --attack-samples 0",
			does: "heart beats, whole patients on each device, no attacks",
		},
	],
	run: async (options, context) => (await import("../demo/run-demo.js")).runDemo(options, context),
});
