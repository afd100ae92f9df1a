import { ConfigError } from "@psgl/sdk";
import { type Artifact, sha256 } from "@psgl/sdk/artifact";
import type { AggregatorOptions } from "./aggregator-options.js";

/** One digest for everything that makes an artifact: graphs, weights and settings. */
export async function artifactDigest({ manifest }: Artifact): Promise<string> {
	return sha256(new TextEncoder().encode(JSON.stringify(manifest)));
}

/** What decides the last bits of a step: the engine, its version, and the threads a run is spread over. */
export function engineOf({ runtime, threads = 1 }: AggregatorOptions): string {
	return `${runtime.version}, threads ${threads}`;
}

/** The refusal of a checkpoint beside a journal of another run. */
export function otherLog(got: string, expected: string): ConfigError {
	return new ConfigError("PSGL_JOURNAL_OTHER_RUN", {
		what: "the checkpoint belongs to another journal",
		got: `journal ${got}`,
		expected: `journal ${expected}`,
		remedy:
			"Put back the journal or the checkpoint that belongs to the other, or move the journal away: training goes on from the checkpoint",
	});
}
