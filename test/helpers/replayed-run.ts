import type { Aggregator, AggregatorEvent } from "@psgl/cloud";
import { sha256 } from "@psgl/sdk/artifact";
import { EventReader } from "./event-reader.js";

/** What an aggregator that only replays its log tells of each round, and the digest of what it comes to. */
export async function replayedRun(aggregator: Aggregator) {
	const events = new EventReader<AggregatorEvent>(aggregator.events());
	const { artifact } = await aggregator.result;
	return { digest: await sha256(artifact), rounds: events.events.filter((event) => event.type === "replayed") };
}
