import type { ModelDefinition } from "@psgl/models";
import type { Artifact } from "@psgl/sdk/artifact";
import type { AggregatorResult } from "../../aggregator/aggregator-options.js";
import type { RoundReport } from "../../aggregator/events.js";

/** A system trained over MQTT. */
export interface TrainingRun {
	readonly definition: ModelDefinition;
	/** With the trained weights. */
	readonly artifact: Artifact;
	readonly rounds: readonly RoundReport[];
	readonly result: AggregatorResult;
	/** Bits that training released of the record of which most were, by the devices' disclosure ledgers. */
	readonly bitsPerRecord: number;
}
