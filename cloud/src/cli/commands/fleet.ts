import { z } from "zod";
import { seedOption, threadsOption, urlOption } from "../common-options.js";
import { dataOptions } from "../data-options.js";
import { dealOption } from "../deal-options.js";
import { option } from "../options/option.js";
import { defineVerb } from "../verb.js";

export const fleetVerb = defineVerb({
	name: "fleet",
	summary: "simulate a fleet: many real devices in one process",
	description:
		"Deals a data set to many devices and runs them in this process, each on its own MQTT connection, until the aggregator ends training.",
	options: {
		url: urlOption,
		devices: option("N", "devices", z.int().min(1).max(1024).default(8)),
		deal: dealOption,
		...dataOptions,
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
	],
	run: async (options, context) => (await import("./run-fleet.js")).runFleetVerb(options, context),
});
