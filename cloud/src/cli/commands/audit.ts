import { auditAttackNames } from "@psgl/models";
import { wireDTypes } from "@psgl/sdk/protocol";
import { z } from "zod";
import { auditThresholds } from "../audit-thresholds.js";
import { seedOption, threadsOption } from "../common-options.js";
import { option } from "../options/option.js";
import { defineVerb } from "../verb.js";

/** Names with commas between, each one of `known`. */
const attackList = z
	.string()
	.regex(
		new RegExp(`^(${auditAttackNames.join("|")})(,(${auditAttackNames.join("|")}))*$`),
		`names with commas between, out of ${auditAttackNames.join(", ")}`,
	);

export const auditVerb = defineVerb({
	name: "audit",
	summary: "attack what a device sends and report what leaks",
	description:
		"Attacks the smashed data of a model as its devices send them, with attackers that know the defence, and measures what they find beside the mean sample, what the label alone tells, and the same network without a defence. Writes a report that needs no network, and audit.json beside it. docs/privacy.md says how to read it.",
	options: {
		artifact: option("FILE", "artifact to audit, trained; a client half will do", z.string().min(1)),
		data: option(
			"PATH",
			"data set: victims come from its test part, the attacker's samples from its train part",
			z.string().min(1),
		),
		attackerData: option(
			"PATH",
			"data set the attacker has instead, such as a public one; none of its samples may be a victim",
			z.string().min(1).optional(),
		),
		undefended: option(
			"FILE",
			"joint artifact of the network without a defence (default: the same network, trained on the attacker's samples)",
			z.string().min(1).optional(),
		),
		earlier: option(
			"FILES",
			"artifacts of earlier rounds of the same training, oldest first, commas between, or the folder of psgl replay --rounds-to: adds the path attack on all releases",
			z.string().min(1).optional(),
		),
		attacks: option("NAMES", "attacks to make, with commas between (default: the budget's)", attackList.optional()),
		budget: option(
			"NAME",
			"work put into attacks: quick (two minutes on two cores for 28x28), standard or thorough",
			z.enum(["quick", "standard", "thorough"]).default("quick"),
		),
		sweep: option(
			"WHAT",
			"bits: also train codes of several widths on the train part, attack each, and draw leak against balanced accuracy",
			z.enum(["bits"]).optional(),
		),
		failAbove: option(
			"LIMITS",
			`end with exit code 10 where a headline is larger, such as leak=0.35,leakBeyondLabel=0.1`,
			auditThresholds.optional(),
		),
		wire: option(
			"TYPE",
			"element type of smashed data on the wire: float32, float16, int8 or int4",
			z.enum(wireDTypes).default("float16"),
		),
		imageSize: option(
			"PIXELS",
			"side that pictures of a folder get (default: the model's)",
			z.int().min(16).max(1024).optional(),
		),
		seed: seedOption,
		threads: threadsOption,
		output: option(
			"FILE",
			"report to write",
			z
				.string()
				.regex(/\.html$/, "a file name ending in .html")
				.default("audit.html"),
			"-o",
		),
	},
	positional: "artifact",
	examples: [
		{
			command: "psgl audit psgl-demo/model.psgl --data pneumoniamnist.npz -o report.html",
			does: "what leaks, in two minutes",
		},
		{
			command: "psgl audit model.psgl --data set.npz --budget standard --fail-above leak=0.35",
			does: "with stronger attackers, and a check for a pipeline",
		},
		{
			command: "psgl audit model.psgl --data set.npz --attacks kernel-ridge,decoder --sweep bits",
			does: "what a shield of so many bits would cost and hide",
		},
	],
	run: async (options, context) => (await import("./run-audit.js")).runAuditVerb(options, context),
});
