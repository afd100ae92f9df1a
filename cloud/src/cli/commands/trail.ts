import { z } from "zod";
import { option } from "../options/option.js";
import { defineVerb } from "../verb.js";

export const trailVerifyVerb = defineVerb({
	name: "trail verify",
	summary: "check that nobody changed the audit trail",
	description:
		"Checks every line of the audit trail of psgl cloud against the one before it, and the signed head. Ends with 0 when nothing was changed or taken away, else with 1.",
	options: {
		state: option("DIR", "state folder of psgl cloud", z.string().default("psgl-state")),
		publicKey: option(
			"FILE",
			"copy of trail.pub you kept elsewhere (default: the one in the state folder)",
			z.string().optional(),
		),
	},
	examples: [
		{ command: "psgl trail verify", does: "check the trail of this folder" },
		{
			command: "psgl trail verify --state psgl-state --public-key safe/trail.pub",
			does: "trust no key beside the trail",
		},
	],
	run: async (options, context) => (await import("./run-trail-verify.js")).runTrailVerify(options, context),
});
