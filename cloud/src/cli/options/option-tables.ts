import { z } from "zod";
import type { Verb } from "../verb.js";
import type { Option } from "./option.js";

/** What a JSON Schema says about one option. */
interface Property {
	readonly type?: string;
	readonly enum?: readonly string[];
	readonly minimum?: number;
	readonly exclusiveMinimum?: number;
	readonly maximum?: number;
	readonly default?: unknown;
	readonly description?: string;
}

/** docs/options.md: one table for each verb. */
export function optionTables(verbs: readonly Verb[]): string {
	const sections = verbs.map(({ name, options }) => {
		const rows = Object.entries(options).map(([key, option]) => row(key, option));
		return `## \`psgl ${name}\`\n\n| option | takes | default | meaning |\n|---|---|---|---|\n${rows.join("\n")}\n`;
	});
	const head =
		"# Options\n\nMade by `npm run schema` from the tables `--help` is made of. How an option is given is in [configuration.md](configuration.md).\n";
	return [head, ...sections].join("\n");
}

function row(key: string, { schema }: Option): string {
	const property = z.toJSONSchema(schema, { io: "input" }) as Property;
	const { default: preset, description = "" } = property;
	const shown = preset === undefined ? "" : typeof preset === "boolean" ? (preset ? "yes" : "no") : `\`${preset}\``;
	return `| \`${key}\` | ${takes(property)} | ${shown} | ${description} |`;
}

function takes(property: Property): string {
	if (property.enum !== undefined) return property.enum.map((value) => `\`${value}\``).join(", ");
	if (property.type === "boolean") return "yes or no";
	if (property.type === "string") return "text";
	const { minimum, exclusiveMinimum, maximum } = property;
	const bounds = [property.type === "integer" ? "whole number" : "number"];
	if (exclusiveMinimum !== undefined) bounds.push(`above ${format(exclusiveMinimum)}`);
	if (minimum !== undefined && minimum > Number.MIN_SAFE_INTEGER) bounds.push(`from ${format(minimum)}`);
	if (maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER) bounds.push(`at most ${format(maximum)}`);
	return bounds.join(", ");
}

function format(bound: number): string {
	return bound.toLocaleString("en-US");
}
