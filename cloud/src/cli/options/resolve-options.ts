import { ConfigError } from "@psgl/sdk";
import { z } from "zod";
import { flagName, innerSchema, type OptionTable, type OptionValues, variableName } from "./option.js";

/** Where values of options come from, the first that has one wins. */
export interface OptionSources {
	/** Text, or true for a switch, by key: what stood on the command line. */
	readonly flags: Readonly<Record<string, string | boolean | undefined>>;
	readonly environment: Readonly<Record<string, string | undefined>>;
	/** The verb's section of the configuration file, checked already. */
	readonly file: Readonly<Record<string, unknown>>;
}

/** @throws ConfigError `PSGL_OPTION` naming the source of a value that cannot be used, `PSGL_OPTION_MISSING`. */
export function resolveOptions<T extends OptionTable>(table: T, sources: OptionSources): OptionValues<T> {
	const values: Record<string, unknown> = {};
	for (const [key, { schema }] of Object.entries(table)) {
		const { value, source } = find(key, schema, sources);
		const parsed = schema.safeParse(value);
		if (!parsed.success) {
			if (value === undefined) throw missingOption(key);
			throw new ConfigError("PSGL_OPTION", {
				what: `${source} cannot be used`,
				got: JSON.stringify(value),
				expected: parsed.error.issues.map((issue) => issue.message.replace(/^Invalid input: expected /, "")).join("; "),
				remedy: "See --help for what it takes",
			});
		}
		values[key] = parsed.data;
	}
	return values as OptionValues<T>;
}

/** An option that has to be given was not. */
export function missingOption(key: string): ConfigError {
	return new ConfigError("PSGL_OPTION_MISSING", {
		what: `${flagName(key)} is missing`,
		remedy: `Give ${flagName(key)}, set ${variableName(key)}, or write ${key} in the configuration file`,
	});
}

function find(key: string, schema: z.ZodType, sources: OptionSources): { value: unknown; source: string } {
	const flag = sources.flags[key];
	if (flag !== undefined) return { value: fromText(schema, flag), source: flagName(key) };
	const variable = sources.environment[variableName(key)];
	if (variable !== undefined) return { value: fromText(schema, variable), source: variableName(key) };
	return { value: sources.file[key], source: key in sources.file ? `${key} in the configuration file` : flagName(key) };
}

/** Flags and variables are text; the schema says what the text stands for. Text that stands for nothing is left to it. */
function fromText(schema: z.ZodType, text: string | boolean): unknown {
	if (typeof text === "boolean") return text;
	const inner = innerSchema(schema);
	if (inner instanceof z.ZodNumber) {
		const number = Number(text);
		return text.trim() === "" || Number.isNaN(number) ? text : number;
	}
	if (inner instanceof z.ZodBoolean) return { "1": true, true: true, "0": false, false: false }[text] ?? text;
	return text;
}
