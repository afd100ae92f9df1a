import {
	type ModelDefinition,
	type PrivacyMode,
	presetDefinition,
	presetTail,
	privacyModes,
	recordBits,
	type SplitNetwork,
	zoo,
} from "@psgl/models";
import { ConfigError } from "@psgl/sdk";
import type { CodeSettings, DisclosureSettings, RecoverySettings } from "@psgl/sdk/artifact";
import { z } from "zod";
import { learningOptions, learningSettings } from "./learning-options.js";
import { type OptionValues, option } from "./options/option.js";

/** Options that change single settings of a privacy mode. */
export const settingOptions = {
	privacy: option(
		"MODE",
		`${[...privacyModes, "custom"].join(", ")}: what withstands attacks best, the paper's method exactly, what hides samples best, vanilla split learning, or settings of your own: the shield's where one of a code is given, else those of robust`,
		z.enum([...privacyModes, "custom"]).default("robust"),
	),
	recovery: option(
		"KIND",
		"recovery on the aggregator: masked, svt, rpca or none (default: the mode's)",
		z.enum(["masked", "svt", "rpca", "none"]).optional(),
	),
	svtThreshold: option(
		"SHARE",
		"threshold of svt as a share of the largest singular value",
		z.number().min(0).max(1).default(0.2),
	),
	mapBudget: option(
		"BUDGET",
		"largest change the saliency map makes, a fraction of the input's range (default: the mode's)",
		z.number().min(0).max(10).optional(),
	),
	robustBudget: option(
		"BUDGET",
		"bound of the robust perturbation, a fraction of the input's range; 0 turns it off (default: the mode's)",
		z.number().min(0).max(1).optional(),
	),
	codeNumbers: option(
		"K",
		"with privacy shield or custom: numbers of the code a sample becomes (default: by the classes)",
		z.int().min(1).max(4096).optional(),
	),
	codeBits: option(
		"B",
		"with privacy shield or custom: bits of each of these numbers",
		z.int().min(1).max(8).optional(),
	),
	codeEpsilon: option(
		"EPSILON",
		"with privacy shield or custom: turn over each bit of a code by chance, such that one coding is EPSILON-differentially private in the code (default: no chance)",
		z.number().positive().max(1000).optional(),
	),
	refreshes: option(
		"N",
		"with privacy shield or custom: code each record N times in all, each time by a client segment that has learned on (default: once)",
		z.int().min(2).max(1024).optional(),
	),
	labels: option(
		"WHERE",
		"shared: devices send their labels in training; device: they stay there, and the last layer with them (docs/privacy.md)",
		z.enum(["shared", "device"]).default("shared"),
	),
	labelEpsilon: option(
		"EPSILON",
		"turn over each label by chance, once, such that all training makes of it is EPSILON-differentially private in the label (default: no chance)",
		z.number().positive().max(1000).optional(),
	),
	...learningOptions,
} as const;

/** One line a zoo model, for `--help`. */
export const zooHelp = zoo.map(({ name, summary }) => `  ${name.padEnd(14)}${summary}`).join("\n");

/** The definition that a mode and single settings make. @throws ConfigError `PSGL_OPTION_CONFLICT`. */
export function definitionFrom(
	settings: OptionValues<typeof settingOptions>,
	network: SplitNetwork,
	inputShape: readonly number[],
	classes: readonly string[],
	trainingSamples?: number,
): ModelDefinition {
	const { mapBudget, robustBudget, recovery, svtThreshold, codeNumbers, codeBits, codeEpsilon, refreshes } = settings;
	const code = Object.entries({ codeNumbers, codeBits, codeEpsilon, refreshes }).find(
		([, value]) => value !== undefined,
	);
	const begunFrom = code === undefined ? "robust" : "shield";
	const privacy = settings.privacy === "custom" ? begunFrom : settings.privacy;
	const named = presetDefinition(privacy, network, inputShape, classes, trainingSamples);
	const preset = {
		...named,
		...learningSettings(settings),
		disclosure: { ...named.disclosure, ...labelTerms(settings) },
		tail: settings.labels === "device" ? presetTail : null,
	};
	if (privacy !== "shield" && code !== undefined) throw conflict(privacy, code[0]);
	if (privacy === "none" || privacy === "shield") {
		const lacking = preset.code === null ? { recovery, mapBudget, robustBudget } : { recovery, mapBudget };
		for (const [name, value] of Object.entries(lacking)) {
			if (value !== undefined && value !== 0 && value !== "none") throw conflict(privacy, name);
		}
		if (preset.code === null) return preset;
		return withCode({ ...preset, robustBudget: robustBudget ?? preset.robustBudget }, preset.code, settings);
	}
	const map = preset.map;
	return {
		...preset,
		map: map === null || mapBudget === 0 ? null : { ...map, budget: mapBudget ?? map.budget },
		robustBudget: robustBudget ?? preset.robustBudget,
		recovery: recovery === undefined ? preset.recovery : recoverySettings(recovery, svtThreshold),
	};
}

function labelTerms({ labelEpsilon, loss }: OptionValues<typeof settingOptions>): Partial<DisclosureSettings> {
	if (labelEpsilon === undefined) return {};
	if (loss !== "binary-cross-entropy") return { randomisedLabels: { epsilon: labelEpsilon } };
	throw new ConfigError("PSGL_OPTION_CONFLICT", {
		what: "labels are randomised where a record has one class",
		got: "labelEpsilon together with a loss for several labels",
		remedy: "Leave --label-epsilon away, or choose another --loss",
	});
}

/** The zoo model for a shape: a signal has one spatial axis, a picture two. */
export function defaultNetwork(inputShape: readonly number[]): string {
	return inputShape.length === 2 ? "ecg-1d" : "lenet";
}

function recoverySettings(kind: RecoverySettings["kind"], threshold: number): RecoverySettings {
	switch (kind) {
		case "svt":
			return { kind, part: "low-rank", threshold, absolute: false };
		case "masked":
			return { kind, rank: 96 };
		case "rpca":
		case "none":
			return { kind };
	}
}

/** With another code, and a budget for all codings of a record. */
function withCode(
	preset: ModelDefinition,
	{ numbers, bits }: CodeSettings,
	{ codeNumbers, codeBits, codeEpsilon, refreshes }: OptionValues<typeof settingOptions>,
): ModelDefinition {
	const code = { numbers: codeNumbers ?? numbers, bits: codeBits ?? bits };
	const budgetBits = recordBits(code, preset.classes.length, refreshes);
	const disclosure = {
		...(refreshes === undefined ? { release: "once" as const } : { release: "refresh" as const, refreshes }),
		budgetBits,
		...(preset.disclosure.randomisedLabels && { randomisedLabels: preset.disclosure.randomisedLabels }),
		...(codeEpsilon !== undefined && { randomisedResponse: { epsilon: codeEpsilon } }),
	};
	return { ...preset, code, disclosure };
}

const lacks: Readonly<Record<PrivacyMode, string>> = {
	none: "vanilla split learning has no map, no robust training, no recovery and no code",
	shield: "a code has no map and no recovery",
	paper: "only the shield has a code",
	robust: "only the shield has a code",
};

function conflict(privacy: PrivacyMode, name: string): ConfigError {
	return new ConfigError("PSGL_OPTION_CONFLICT", {
		what: lacks[privacy],
		got: `privacy ${privacy} together with ${name}`,
		remedy: "Choose another privacy mode, or leave the setting away",
	});
}
