import { z } from "zod";
import { seedOption } from "../common-options.js";
import { kitOptions } from "../kit-options.js";
import { option } from "../options/option.js";
import { pictureOptions } from "../picture-options.js";
import { defineVerb } from "../verb.js";

export const inferVerb = defineVerb({
	name: "infer",
	summary: "ask for decisions, over MQTT or offline from an artifact",
	description:
		"Decides what is in a picture or DICOM file, in the samples of an npz file, or in part of a data set. With --url as a device does: smashed data go out, the decision of the whole system comes back, and the local head answers when nobody else does. With --artifact on this machine alone.",
	options: {
		url: option(
			"URL",
			"broker (default: the kit's, or mqtt://127.0.0.1:1883 unless --artifact is given)",
			z.string().optional(),
		),
		artifact: option(
			"FILE",
			"artifact to use instead of a broker; of a client half only the local head answers",
			z.string().optional(),
		),
		input: option(
			"FILE",
			"picture (png, jpeg, …), DICOM file (its first frames), or npz file with one array of samples",
			z.string().optional(),
		),
		data: option("PATH", "data set, as for psgl demo", z.string().optional()),
		split: option("PART", "part of the data set", z.enum(["train", "validation", "test"]).default("test")),
		limit: option("N", "samples to decide on", z.int().min(1).max(100_000).default(10)),
		seed: seedOption,
		id: option(
			"ID",
			"device id to use (default: the kit's, or psgl-infer)",
			z
				.string()
				.regex(/^[A-Za-z0-9_-]{1,64}$/, "1 to 64 letters, digits, _ or -")
				.optional(),
		),
		...kitOptions,
		state: option(
			"DIR",
			"folder that keeps what was ever released of each sample, and the codes that were sent; without it a model with a disclosure budget sends nothing",
			z.string().optional(),
		),
		budgetBits: option(
			"BITS",
			"bits that may ever be released of one sample, whatever models say; for good, and only with --state",
			z.coerce.number().positive().optional(),
		),
		...pictureOptions,
		timeout: option("SECONDS", "wait this long for broker and aggregator", z.number().positive().max(3600).default(10)),
	},
	examples: [
		{ command: "psgl infer --kit ward-3.kit.json --input picture.png", does: "one picture, by the whole system" },
		{
			command: "psgl infer --artifact psgl-demo/model.psgl --data pneumoniamnist.npz --limit 100",
			does: "test samples, without any network",
		},
	],
	run: async (options, context) => (await import("./run-infer.js")).runInfer(options, context),
});
