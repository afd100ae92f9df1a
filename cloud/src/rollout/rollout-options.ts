import type { RolloutStore } from "./rollout-store.js";

/** A model that can be served beside the stable one. */
export interface Candidate {
	/** SHA-256 (hex) of its client half. */
	readonly digest: string;
	/** One digest for everything in the joint artifact. */
	readonly artifact: string;
	/** It is not served, or not any more. */
	close(): Promise<void>;
}

export interface RolloutOptions<C extends Candidate> {
	readonly store: RolloutStore;
	/** SHA-256 (hex) of the client half of the model that everybody else gets. */
	readonly stable: string;
	/** Makes a joint artifact ready to be served. */
	readonly open: (artifact: Uint8Array) => Promise<C>;
	/** Serves no devices: opens a candidate only to see, before it is rolled out, that it can be. Default false. */
	readonly ordersOnly?: boolean | undefined;
	/** A candidate that cannot be had ends nothing: devices get the stable model until it can. Default false. */
	readonly patient?: boolean | undefined;
}
