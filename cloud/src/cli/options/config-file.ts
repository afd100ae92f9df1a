import { readFile } from "node:fs/promises";
import { ConfigError } from "@psgl/sdk";
import { z } from "zod";
import type { Verb } from "../verb.js";

type Config = Readonly<Record<string, Readonly<Record<string, unknown>> | string | undefined>>;

/** Schema of the configuration file: one section a verb, each with that verb's options. */
export function configSchema(verbs: readonly Verb[]): z.ZodType<Config> {
	const sections = verbs.map(({ name, options, summary }) => {
		const fields = Object.entries(options).map(([key, option]) => [key, option.schema.optional()] as const);
		return [name, z.strictObject(Object.fromEntries(fields)).describe(summary).optional()] as const;
	});
	return z.strictObject({ $schema: z.string().optional(), ...Object.fromEntries(sections) });
}

/** JSON Schema of the configuration file, as docs/config.schema.json publishes it. */
export function configJsonSchema(verbs: readonly Verb[]): unknown {
	return z.toJSONSchema(configSchema(verbs), { io: "input" });
}

/** Schemas made before: one takes milliseconds, and memory that is not given back. */
const schemas = new WeakMap<readonly Verb[], z.ZodType<Config>>();

/**
 * Reads a verb's section of the configuration file; empty when the file has none.
 * @throws ConfigError `PSGL_CONFIG_UNREADABLE`, `PSGL_CONFIG_INVALID`.
 */
export async function readConfigSection(
	path: string,
	verb: string,
	verbs: readonly Verb[],
): Promise<Readonly<Record<string, unknown>>> {
	const json = await readJson(path);
	const schema = schemas.get(verbs) ?? configSchema(verbs);
	schemas.set(verbs, schema);
	const parsed = schema.safeParse(json);
	if (!parsed.success) {
		const [issue] = parsed.error.issues;
		throw new ConfigError("PSGL_CONFIG_INVALID", {
			what: `the configuration file ${path} cannot be used`,
			got: issue?.message,
			expected: `what docs/config.schema.json says${issue?.path.length ? ` for ${issue.path.join(".")}` : ""}`,
			remedy: "Correct the file",
		});
	}
	// Not the parsed section: its defaults would outrank those of the command line's own options.
	const section = (json as Config)[verb];
	return typeof section === "object" ? section : {};
}

async function readJson(path: string): Promise<unknown> {
	try {
		return JSON.parse(await readFile(path, "utf8"));
	} catch (cause) {
		throw new ConfigError("PSGL_CONFIG_UNREADABLE", {
			what: `the configuration file ${path} cannot be read`,
			got: (cause as Error).message,
			expected: "a JSON file",
			remedy: "Check the path given with --config and the file's syntax",
			cause,
		});
	}
}
