import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { DataError } from "@psgl/sdk";
import { trailFiles } from "./audit-trail.js";
import { publicKeyOf, readHead } from "./trail-head.js";
import { genesis, lineHash, parseTrailLine } from "./trail-line.js";

/** What the check of a trail found. */
export interface TrailReport {
	readonly entries: number;
	/** Entries the signed head vouches for; those after it are chained but not signed yet. */
	readonly signedEntries: number;
	readonly signedAt: string | undefined;
	/** What is wrong, the first fault first; empty when nothing is. */
	readonly faults: readonly string[];
}

/** Faults that are named; the rest would say the same. */
const mostFaults = 20;

/**
 * Checks every line's hash and number, and the signed head.
 * @param publicKey PEM to trust instead of the folder's own `trail.pub`, which whoever forged the trail could have replaced
 * @throws DataError `PSGL_TRAIL_MISSING` when there is no trail, or no key; `PSGL_TRAIL_KEY` when that is none.
 */
export async function verifyTrail(folder: string, publicKey?: string): Promise<TrailReport> {
	const files = trailFiles(folder);
	const key = publicKeyOf(publicKey ?? (await readPart(files.publicKey)));
	const head = readHead(await readPart(files.head), key);
	const faults: string[] = [];
	if (head === undefined) faults.push("the head is not signed by this key");
	let previous = genesis;
	let entries = 0;
	let headSeen = head?.entries === 0;
	for await (const line of linesOf(files.trail)) {
		const entry = parseTrailLine(line);
		if (entry === undefined) faults.push(`line ${entries + 1} is no entry`);
		else if (entry.previous !== previous) faults.push(`line ${entries + 1} does not follow the line before it`);
		else if (entry.seq !== entries) faults.push(`line ${entries + 1} has number ${entry.seq}`);
		previous = lineHash(line);
		entries += 1;
		if (head?.entries === entries) {
			headSeen = true;
			if (head.hash !== previous) faults.push(`line ${entries} is not the one the head was signed for`);
		}
		if (faults.length >= mostFaults) break;
	}
	if (head !== undefined && !headSeen && faults.length < mostFaults) {
		faults.push(`the trail ends after ${entries} entries; the head was signed for ${head.entries}`);
	}
	return { entries, signedEntries: head?.entries ?? 0, signedAt: head?.at, faults };
}

async function* linesOf(file: string): AsyncGenerator<string> {
	const stream = createReadStream(file);
	try {
		yield* createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY });
	} catch (cause) {
		throw missing(file, cause);
	} finally {
		stream.destroy();
	}
}

async function readPart(file: string): Promise<string> {
	try {
		return await readFile(file, "utf8");
	} catch (cause) {
		throw missing(file, cause);
	}
}

function missing(file: string, cause: unknown): DataError {
	return new DataError("PSGL_TRAIL_MISSING", {
		what: "there is no audit trail, or a part of it cannot be read",
		got: `${file}: ${(cause as Error).message}`,
		remedy: "Name the state folder of psgl cloud with --state",
		cause,
	});
}
