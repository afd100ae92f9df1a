import { z } from "zod";
import { budgetOptions } from "../budget-options.js";
import { connectDeadlineOption, seedOption } from "../common-options.js";
import { dataOptions } from "../data-options.js";
import { dealOption } from "../deal-options.js";
import { kitOptions } from "../kit-options.js";
import { modalityOptions } from "../modality-options.js";
import { option } from "../options/option.js";
import { defineVerb } from "../verb.js";

export const deviceVerb = defineVerb({
	name: "device",
	summary: "run one device: train on its data, send nothing but smashed data",
	description:
		"Runs one device until the aggregator ends training. It tries again when the broker cannot be reached, and goes on after a lost link.",
	options: {
		url: option("URL", "broker (default: the kit's, or mqtt://127.0.0.1:1883)", z.string().optional()),
		id: option(
			"ID",
			"name of the device, the same after every restart (default: the kit's)",
			z
				.string()
				.regex(/^[A-Za-z0-9_-]{1,64}$/, "1 to 64 letters, digits, _ or -")
				.optional(),
		),
		...kitOptions,
		...dataOptions,
		...modalityOptions,
		classes: option(
			"A,B,...",
			"classes of a folder of pictures or recordings in the model's order, where it has them in another or lacks some (default: those found, sorted by name)",
			z
				.string()
				.regex(/^[^,]+(,[^,]+)+$/, "at least two names with commas between them")
				.optional(),
		),
		split: option(
			"I/N",
			"take share I of N of the data, for trying several devices with one data set",
			z
				.string()
				.regex(/^[1-9]\d*\/[1-9]\d*$/, "a share such as 2/8")
				.default("1/1"),
		),
		deal: dealOption,
		seed: seedOption,
		state: option(
			"DIR",
			"folder that keeps the device's place in training over crashes; without it a device that was stopped starts anew with the next round",
			z.string().optional(),
		),
		budgetBits: option(
			"BITS",
			"bits that may ever be released of one sample, whatever models say; for good, and only with --state",
			z.coerce.number().positive().optional(),
		),
		connectDeadline: connectDeadlineOption,
		...budgetOptions,
	},
	examples: [
		{
			command: "psgl device --kit ward-3.kit.json --data own-pictures",
			does: "a device with its own pictures, one sub-folder for each class",
		},
		{
			command: "psgl device --id ward-3 --data own-pictures --state /var/lib/psgl",
			does: "go on in the middle of a round after a crash or power cut",
		},
		{
			command: "psgl device --id ward-3 --dicom-port 11112 --dicom-title PSGL --labels readings.csv --collect 500",
			does: "receive images from a modality, train when 500 of them have a label",
		},
		{
			command:
				"psgl device --kit ward-3.kit.json --data own-pictures --hours 22:00-06:00 --max-celsius 75 --duty-cycle 0.5",
			does: "train at night, half of the time, and not when it gets hot",
		},
		{
			command: "psgl device --id ward-3 --data pneumoniamnist.npz --split 3/8",
			does: "the third of eight devices that share one data set",
		},
	],
	run: async (options, context) => (await import("./run-device.js")).runDevice(options, context),
});
