import type { ClientWeights } from "@psgl/sdk/protocol";
import type { AggregatorContext } from "./context.js";
import type { LaneTotals } from "./lane.js";
import type { Share } from "./legs.js";
import type { Member } from "./member.js";
import type { Reservoir } from "./reservoir.js";
import type { ServerState } from "./server-segment.js";

/** What a leg of a round is trained with. */
export interface TrainingRoundOptions {
	readonly context: AggregatorContext;
	/** The pass over the devices' data this is a leg of, from 1. */
	readonly round: number;
	/** Number of the leg, counted over the whole run: names its messages. */
	readonly epoch: number;
	/** Version of the weights in `client`. */
	readonly model: number;
	readonly client: ClientWeights;
	readonly server: ServerState;
	readonly learningRate: number;
	/** Devices train with their local heads and send nothing but weights; undefined where they exchange batches. */
	readonly local?: { readonly shieldWeight: number } | undefined;
	/** Who takes part, and with which batches. */
	readonly shares: readonly Share[];
	/** Sums over the legs of a round. */
	readonly totals: LaneTotals;
	/** Keeps complete smashed data for the masked prior; undefined where there is none. */
	readonly reservoir: Reservoir | undefined;
}

/** What came of it. */
export interface TrainedRound {
	readonly client: ClientWeights;
	readonly server: ServerState;
	/** Version of the weights that were sent last; sequential training counts on with every device. */
	readonly model: number;
	readonly members: readonly Member[];
}
