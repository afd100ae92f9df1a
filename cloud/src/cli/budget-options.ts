import type { ResourceBudget } from "@psgl/sdk";
import { nodeHost, providers, resourceBudgetSchema } from "@psgl/sdk/budget";
import { z } from "zod";
import { defaultThreads, threadsOption } from "./common-options.js";
import { type OptionValues, option, toggle } from "./options/option.js";
import type { Output } from "./output.js";

const { shape } = resourceBudgetSchema;
const bytesPerMiB = 2 ** 20;

/** What of its machine a device may use. */
export const budgetOptions = {
	threads: threadsOption,
	provider: option(
		"NAME",
		"where ONNX Runtime computes: cpu, cuda, tensorrt or webgpu; cpu where that cannot be used, with a line that says why",
		z.enum(providers).default("cpu"),
	),
	memory: option(
		"MIB",
		"memory the process may take: training batches shrink until they fit, a model that cannot is refused (default: any)",
		z.int().min(1).max(1_048_576).optional(),
	),
	dutyCycle: option("SHARE", "share of the time in which it computes training steps (default: 1)", shape.dutyCycle),
	maxCelsius: option(
		"DEGREES",
		"no training while the hottest sensor of /sys/class/thermal is above this (default: any)",
		shape.maxCelsius,
	),
	onlyOnMains: toggle("no training on battery, as /sys/class/power_supply tells"),
	hours: option(
		"FROM-TO,...",
		"no training outside of these hours of local time, for instance 22:00-06:00",
		shape.hours,
	),
	nice: option("N", "priority given up for other programs, 0 to 19 (default: as started)", shape.nice),
};

/** The budget of a command line. */
export function budgetOf(options: OptionValues<typeof budgetOptions>): ResourceBudget {
	const { threads = defaultThreads(), memory, dutyCycle, maxCelsius, onlyOnMains, hours, nice } = options;
	const memoryBytes = memory === undefined ? undefined : memory * bytesPerMiB;
	return { threads, memoryBytes, dutyCycle, maxCelsius, onlyOnMains, hours, nice };
}

/** Says so where a limit has nothing to go by on this machine, and the device would train on as if it were not there. */
export async function warnOfSensors({ maxCelsius }: OptionValues<typeof budgetOptions>, output: Output): Promise<void> {
	if (maxCelsius === undefined || (await nodeHost().celsius()) !== undefined) return;
	const message = "--max-celsius has no effect: no sensor in /sys/class/thermal tells a temperature";
	output.event("warning", { code: "PSGL_BUDGET_SENSOR", message }, message);
}
