import type { ClientWeights } from "@psgl/sdk/protocol";
import type { EndReason } from "./events.js";
import type { ServerWeights } from "./server-segment.js";

/** What training ended with: the best validated weights, or the last ones. */
export interface TrainedWeights {
	readonly reason: EndReason;
	/** Version of the client weights. */
	readonly model: number;
	readonly client: ClientWeights;
	readonly server: ServerWeights;
	/** Complete smashed data made with about these weights, for the masked prior. */
	readonly samples: readonly Float32Array[];
}
