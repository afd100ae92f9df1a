import { deviceIdPattern } from "@psgl/sdk/protocol";
import { z } from "zod";
import { option } from "../options/option.js";
import { storePlaceOptions } from "../store-options.js";
import { defineVerb, type Verb } from "../verb.js";

const state = option("DIR", "state folder of psgl cloud; not used with --store", z.string().default("psgl-state"));
const device = z.string().regex(deviceIdPattern, "a device's name");

const showVerb = defineVerb({
	name: "twins show",
	summary: "what is wanted of devices, and what is in force",
	description:
		"Shows the digital twins of the devices, or of one: versions, settings, errors, and the bits the device has ever released.",
	options: { state, ...storePlaceOptions, device: option("ID", "one device only", device.optional()) },
	examples: [{ command: "psgl twins show --device ward-3", does: "one device's twin" }],
	run: async (options, context) => (await import("./run-twins.js")).runTwinsShow(options, context),
});

const setVerb = defineVerb({
	name: "twins set",
	summary: "want settings of a device, in place of all before",
	description:
		"Wants settings of a device, as the next version of its twin. A device on line applies them between two batches, another one when it comes back. The cloud may run meanwhile.",
	options: {
		state,
		...storePlaceOptions,
		device: option("ID", "the device", device),
		settings: option(
			"JSON",
			'settings, for instance {"dutyCycle": 0.5, "hours": "22:00-06:00"} (docs/device.md)',
			z.string(),
		),
	},
	examples: [
		{
			command: `psgl twins set --device ward-3 --settings '{"maxCelsius": 70, "window": 4}'`,
			does: "cooler, and four batches in flight",
		},
		{
			command: `psgl twins set --store nats://n1:4222 --store-name ward --device ward-3 --settings '{"window": 4}'`,
			does: "the same for a run on NATS",
		},
	],
	run: async (options, context) => (await import("./run-twins.js")).runTwinsSet(options, context),
});

/** `psgl twins …`: the devices' digital twins. */
export const twinsVerbs: readonly Verb[] = [showVerb, setVerb];
