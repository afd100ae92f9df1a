import { z } from "zod";

/**
 * One option of a verb. Its key in the table names it everywhere: `mapBudget` in the configuration file,
 * `--map-budget` on the command line, `PSGL_MAP_BUDGET` in the environment.
 */
export interface Option<S extends z.ZodType = z.ZodType> {
	/** Checks the value, wherever it came from. A default in the schema is the option's default. */
	readonly schema: S;
	/** What stands for the value in `--help`; undefined for a switch. */
	readonly value: string | undefined;
	readonly short: string | undefined;
}

export type OptionTable = Readonly<Record<string, Option>>;

/** Checked values of a table. */
export type OptionValues<T extends OptionTable> = { readonly [K in keyof T]: z.output<T[K]["schema"]> };

/** An option with a value, for instance `option("N", "rounds of training", z.int().default(5))`. */
export function option<S extends z.ZodType>(value: string, description: string, schema: S, short?: string): Option<S> {
	return { schema: schema.describe(description), value, short };
}

/** An option that is either given or not. */
export function toggle(description: string): Option<z.ZodDefault<z.ZodBoolean>> {
	return { schema: z.boolean().default(false).describe(description), value: undefined, short: undefined };
}

/** `mapBudget` -> `--map-budget`. */
export function flagName(key: string): string {
	return `--${key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** `mapBudget` -> `PSGL_MAP_BUDGET`. */
export function variableName(key: string): string {
	return `PSGL_${key.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

/** The type under a schema's defaults and optionals. */
export function innerSchema(schema: z.ZodType): z.ZodType {
	let inner = schema;
	while (inner instanceof z.ZodDefault || inner instanceof z.ZodOptional) inner = inner.unwrap() as z.ZodType;
	return inner;
}

/** Value of an option when nothing sets it. */
export function defaultValue(schema: z.ZodType): unknown {
	return schema.safeParse(undefined).data;
}
