import { readFile } from "node:fs/promises";
import { ConfigError } from "@psgl/sdk";
import { verifyTrail } from "../../trail/verify-trail.js";
import type { VerbContext } from "../verb.js";

interface TrailVerifyValues {
	readonly state: string;
	readonly publicKey?: string | undefined;
}

/** Checks a trail; 0 when it is whole, 1 when it is not. */
export async function runTrailVerify(options: TrailVerifyValues, { output }: VerbContext): Promise<number> {
	const key = options.publicKey === undefined ? undefined : await readKey(options.publicKey);
	const report = await verifyTrail(options.state, key);
	const { entries, signedEntries, signedAt, faults } = report;
	for (const fault of faults) output.print(`wrong: ${fault}`);
	const unsigned = entries - signedEntries;
	if (faults.length === 0) {
		output.print(
			`${entries} entries, none changed; signed up to entry ${signedEntries} at ${signedAt}${unsigned > 0 ? `, ${unsigned} after it not yet` : ""}`,
		);
	}
	output.result({ ok: faults.length === 0, ...report });
	return faults.length === 0 ? 0 : 1;
}

async function readKey(path: string): Promise<string> {
	try {
		return await readFile(path, "utf8");
	} catch (cause) {
		throw new ConfigError("PSGL_OPTION", {
			what: "--public-key cannot be read",
			got: (cause as Error).message,
			expected: "a copy of trail.pub",
			cause,
		});
	}
}
