import { createHash } from "node:crypto";

/** What happened, in words and numbers a person may read: no data, no labels, no keys. */
export type TrailDetails = Readonly<Record<string, string | number | boolean | undefined>>;

/** SHA-256 of the line before the first. */
export const genesis = "0".repeat(64);

/** Characters of one text in an entry; the rest is cut off. */
const longestText = 500;

/** One line of the trail as it is read back. */
export interface TrailEntry {
	/** 0 for the first. */
	readonly seq: number;
	/** ISO 8601, UTC. */
	readonly at: string;
	readonly event: string;
	/** SHA-256 of the line before, in hex: whoever changes a line changes all that follow. */
	readonly previous: string;
}

/** The line of an entry, without its line feed. */
export function trailLine({ seq, at, event, previous }: TrailEntry, details: TrailDetails): string {
	const short = Object.entries(details).map(([name, value]) => [
		name,
		typeof value === "string" ? value.slice(0, longestText) : value,
	]);
	return JSON.stringify({ seq, at, event, ...Object.fromEntries(short), previous });
}

/** SHA-256 of a line, in hex. */
export function lineHash(line: string): string {
	return createHash("sha256").update(line, "utf8").digest("hex");
}

/** The entry of a line; undefined when it is none. */
export function parseTrailLine(line: string): TrailEntry | undefined {
	let json: Partial<TrailEntry> | null;
	try {
		json = JSON.parse(line) as Partial<TrailEntry> | null;
	} catch {
		return undefined;
	}
	const { seq, at, event, previous } = json ?? {};
	const whole = typeof at === "string" && typeof event === "string" && typeof previous === "string";
	return Number.isSafeInteger(seq) && whole ? { seq: seq as number, at, event, previous } : undefined;
}
