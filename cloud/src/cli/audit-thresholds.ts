import type { AuditResult } from "@psgl/models";
import { z } from "zod";

/** Headlines that `--fail-above` may bound. */
const headlines = ["leak", "leakBeyondLabel", "leakBeyondLabelDecoder"] as const;

type Headline = (typeof headlines)[number];

/** `leak=0.35,leakBeyondLabel=0.1`: known names, each with a number. */
export const auditThresholds = z
	.string()
	.regex(
		new RegExp(`^(${headlines.join("|")})=-?\\d+(\\.\\d+)?(,(${headlines.join("|")})=-?\\d+(\\.\\d+)?)*$`),
		`${headlines.join(" or ")} with = and a number, commas between`,
	);

/** A headline that is larger than it may be, or that could not be measured. */
export interface Exceeded {
	readonly name: Headline;
	readonly limit: number;
	/** NaN where it could not be measured: what was not measured has not passed. */
	readonly value: number;
}

/** @param text as `auditThresholds` takes it; undefined bounds nothing */
export function exceededThresholds(result: AuditResult, text: string | undefined): readonly Exceeded[] {
	if (text === undefined) return [];
	return text.split(",").flatMap((pair) => {
		const [name, limit] = pair.split("=") as [Headline, string];
		const value = result[name];
		return value <= Number(limit) ? [] : [{ name, limit: Number(limit), value }];
	});
}
