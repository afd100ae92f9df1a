import { z } from "zod";
import { ConfigError } from "../errors.js";

/** `22:00-06:00`, several with commas between them; a window may go over midnight. */
const hoursPattern =
	/^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d(,\s*([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d)*$/;

/** What of its machine a device may use. Also the keys of `budget` in a device's twin. */
export const resourceBudgetSchema = z.strictObject({
	/** Threads one run of a graph may use. Taken when the device connects. Default: the runtime's, 1. */
	threads: z.int().min(1).max(64).optional(),
	/** Bytes of memory the whole process may take: training batches shrink until they fit, a model that cannot is refused. */
	memoryBytes: z.int().positive().optional(),
	/** Share of the time in which the device computes training steps. Default 1. */
	dutyCycle: z.number().min(0.01).max(1).optional(),
	/** No training while the hottest sensor is above this many degrees Celsius. */
	maxCelsius: z.number().min(0).max(150).optional(),
	/** No training on battery. */
	onlyOnMains: z.boolean().optional(),
	/** No training outside of these hours of the machine's local time, for instance `22:00-06:00`. */
	hours: z.string().regex(hoursPattern, "hours such as 22:00-06:00").max(256).optional(),
	/** Priority given up for other programs, 0 to 19 as `nice` has it. Taken when the device connects. Default: as started. */
	nice: z.int().min(0).max(19).optional(),
});

/** What of its machine a device may use; every limit may be left out. */
export type ResourceBudget = Readonly<z.infer<typeof resourceBudgetSchema>>;

/** @throws ConfigError `PSGL_BUDGET`. */
export function parseBudget(given: unknown): ResourceBudget {
	const parsed = resourceBudgetSchema.safeParse(given);
	if (parsed.success) return parsed.data;
	const [issue] = parsed.error.issues;
	throw new ConfigError("PSGL_BUDGET", {
		what: "a device's resource budget cannot be used",
		got: `${issue?.path.join(".") || "budget"}: ${issue?.message}`,
		remedy: "See docs/device.md for every limit and its range",
	});
}

/** Whether a moment lies in the hours of a budget. A window's end does not belong to it. */
export function isWithinHours(hours: string, moment: Date): boolean {
	const now = moment.getHours() * 60 + moment.getMinutes();
	return hours.split(",").some((window) => {
		const [from = 0, to = 0] = window.split("-").map(minutes);
		return from < to ? from <= now && now < to : from <= now || now < to;
	});
}

function minutes(time: string): number {
	const [hour = 0, minute = 0] = time.split(":").map(Number);
	return hour * 60 + minute;
}
