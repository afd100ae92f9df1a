import { z } from "zod";
import { resourceBudgetSchema } from "../budget/resource-budget.js";
import { protocolLimits } from "../protocol/limits.js";
import { wireDTypes } from "../protocol/tensors.js";

const { memoryBytes, dutyCycle, maxCelsius, onlyOnMains, hours, nice } = resourceBudgetSchema.shape;

/**
 * What of a device its operator may set from afar: its resource budget but for threads, the batches it can have in flight and the element
 * types it offers. Absent keys are as the device was started.
 */
export const twinSettingsSchema = z.strictObject({
	memoryBytes,
	dutyCycle,
	maxCelsius,
	onlyOnMains,
	hours,
	nice,
	/** From the next connection on, like `dtypes`. */
	window: z.int().min(1).max(protocolLimits.maxWindow).optional(),
	dtypes: z.array(z.enum(wireDTypes)).min(1).max(wireDTypes.length).optional(),
});

/** Settings of a device's twin that have been checked. */
export type TwinSettings = Readonly<z.infer<typeof twinSettingsSchema>>;

/** Settings that can be used, and why the others cannot, by their names. */
export interface CheckedTwin {
	readonly settings: TwinSettings;
	readonly errors: Readonly<Record<string, string>>;
}

/** Checks each of the wanted settings by itself: one that is wrong keeps none of the others from being applied. */
export function checkTwin(wanted: Readonly<Record<string, unknown>>): CheckedTwin {
	const settings: Record<string, unknown> = {};
	const errors: Record<string, string> = {};
	const { shape } = twinSettingsSchema;
	for (const [key, value] of Object.entries(wanted)) {
		if (!Object.hasOwn(shape, key)) {
			errors[key] = `unknown; known are ${Object.keys(shape).join(", ")}`;
			continue;
		}
		const parsed = shape[key as keyof typeof shape].safeParse(value);
		if (parsed.success) settings[key] = parsed.data;
		else errors[key] = (parsed.error.issues[0]?.message ?? "cannot be used").slice(0, 200);
	}
	return { settings: settings as TwinSettings, errors };
}
