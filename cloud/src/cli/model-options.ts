import { type ModelDefinition, presetDefinition, privacyModes, type SplitNetwork, zoo } from "@psgl/models";
import { ConfigError } from "@psgl/sdk";
import type { RecoverySettings } from "@psgl/sdk/artifact";
import { z } from "zod";
import { learningOptions, learningSettings } from "./learning-options.js";
import { type OptionValues, option } from "./options/option.js";

/** Options that change single settings of a privacy mode. */
export const settingOptions = {
	privacy: option(
		"MODE",
		`${privacyModes.join(", ")}: what measured best, the paper's method exactly, or vanilla split learning`,
		z.enum(privacyModes).default("robust"),
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
	const { privacy, mapBudget, robustBudget, recovery, svtThreshold } = settings;
	const preset = {
		...presetDefinition(privacy, network, inputShape, classes, trainingSamples),
		...learningSettings(settings),
	};
	if (privacy === "none") {
		for (const [name, value] of Object.entries({ recovery, mapBudget, robustBudget })) {
			if (value !== undefined && value !== 0 && value !== "none") throw conflict(name);
		}
		return preset;
	}
	const map = preset.map;
	return {
		...preset,
		map: map === null || mapBudget === 0 ? null : { ...map, budget: mapBudget ?? map.budget },
		robustBudget: robustBudget ?? preset.robustBudget,
		recovery: recovery === undefined ? preset.recovery : recoverySettings(recovery, svtThreshold),
	};
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

function conflict(name: string): ConfigError {
	return new ConfigError("PSGL_OPTION_CONFLICT", {
		what: "vanilla split learning has no map, no robust training and no recovery",
		got: `privacy none together with ${name}`,
		remedy: "Choose privacy robust or paper, or leave the setting away",
	});
}
