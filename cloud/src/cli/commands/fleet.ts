import { z } from "zod";
import { seedOption, threadsOption, urlOption } from "../common-options.js";
import { dataOptions } from "../data-options.js";
import { dealOption } from "../deal-options.js";
import { option, toggle } from "../options/option.js";
import { defineVerb } from "../verb.js";

export const fleetVerb = defineVerb({
	name: "fleet",
	summary: "simulate a fleet: many real devices in one process, or a scenario",
	description:
		"Without --scenario: deals a data set to many devices and runs them in this process, each on its own MQTT connection, until the aggregator ends training. With --scenario: runs what the file says, broker and aggregator included, over real MQTT on shaped links, or with --virtual in virtual time, a week in minutes; checks its invariants and writes a report. docs/fleet.md says how.",
	options: {
		url: urlOption,
		devices: option("N", "devices", z.int().min(1).max(1024).default(8)),
		deal: dealOption,
		...dataOptions,
		scenario: option(
			"FILE",
			"scenario to run: a file, or the name of one that comes with psgl (devices, deal, data and url do not apply)",
			z.string().min(1).optional(),
		),
		virtual: toggle("run the scenario in virtual time"),
		minutes: option(
			"N",
			"without --virtual: minutes into which the lives of the scenario's devices are pressed",
			z.number().positive().max(1440).default(2),
		),
		calibrate: toggle("only measure the times of a step for the scenario on this machine, and print them for its file"),
		output: option(
			"FILE",
			"report of a scenario to write",
			z
				.string()
				.regex(/\.html$/, "a file name ending in .html")
				.default("fleet.html"),
			"-o",
		),
		seed: seedOption,
		threads: threadsOption,
	},
	examples: [
		{
			command: "psgl fleet --devices 20 --data pneumoniamnist.npz --deal dirichlet:0.3",
			does: "twenty devices with unlike data against a broker on this machine",
		},
		{
			command: "psgl fleet --url mqtt://cloud:1883 --devices 20 --data mitbih128_disjoint.npz --deal patient",
			does: "heart beats, no patient on two devices",
		},
		{
			command: "psgl fleet --scenario hospital-network --virtual --seed 1 -o report.html",
			does: "a week of 10,000 devices in virtual time, with its report",
		},
		{
			command: "psgl fleet --scenario ward-faults --minutes 3 -o report.html",
			does: "a day of a ward in three minutes: production devices over real MQTT on slow links that break",
		},
	],
	run: async (options, context) =>
		options.scenario === undefined
			? (await import("./run-fleet.js")).runFleetVerb(options, context)
			: (await import("./run-scenario.js")).runScenarioVerb({ ...options, scenario: options.scenario }, context),
});
