import type { Tensor } from "@psgl/sdk";
import type { ClientWeights } from "@psgl/sdk/protocol";
import type { ReadyBatch } from "./batch-intake.js";
import type { RosterDevice } from "./roster.js";
import type { Entries } from "./run-record.js";

/** A gradient at the features of an open batch. */
export interface ReadyGradient {
	/** [B,streams,F] */
	readonly featureGradient: Tensor<"float32">;
	/** Where it lies in the log. */
	readonly entries: Entries;
}

/** A device's part in a training round. */
export interface Member {
	readonly device: RosterDevice;
	/** The batch that waits for a server step. */
	batch: ReadyBatch | undefined;
	/** The batch whose features the device has, and whose gradient it is to send. */
	open: ReadyBatch | undefined;
	/** The gradient that came for it. */
	gradient: ReadyGradient | undefined;
	/** What the device sent at the end of its round. */
	weights: { readonly client: ClientWeights; readonly localLoss: number | undefined } | undefined;
	/** Samples of the batches that were applied: the device's weight in the average. */
	samples: number;
	/** Batches that were applied. */
	steps: number;
	/** The round does not wait for this device until its next batch comes. */
	leftBehind: boolean;
	/** The device left, or forgot the round. */
	gone: boolean;
}

export function newMember(device: RosterDevice): Member {
	return {
		device,
		batch: undefined,
		open: undefined,
		gradient: undefined,
		weights: undefined,
		samples: 0,
		steps: 0,
		leftBehind: false,
		gone: false,
	};
}

/** Nothing more will come from the device in this round. */
export function isDone(member: Member): boolean {
	return member.gone || (member.weights !== undefined && member.batch === undefined);
}
