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
export class Member {
	readonly device: RosterDevice;
	/** The batch whose features the device has, and whose gradient it is to send. */
	open: ReadyBatch | undefined;
	/** The gradient that came for it. */
	gradient: ReadyGradient | undefined;
	/** What the device sent at the end of its round. */
	weights: { readonly client: ClientWeights; readonly localLoss: number | undefined } | undefined;
	/** Samples of the batches that were applied: the device's weight in the average. */
	samples = 0;
	/** Batches that were applied. */
	steps = 0;
	/** The round does not wait for this device until its next batch comes. */
	leftBehind = false;
	/** The device left, or forgot the round. */
	gone = false;
	/** Batches that wait for a server step, by their number: as many as the device's window at most. */
	readonly #batches = new Map<number, ReadyBatch>();
	readonly #turn: () => number | undefined;

	/** @param turn number of the device's batch whose turn it is */
	constructor(device: RosterDevice, turn: () => number | undefined) {
		this.device = device;
		this.#turn = turn;
	}

	/** The batch whose turn it is, if it is here. */
	get batch(): ReadyBatch | undefined {
		const turn = this.#turn();
		return turn === undefined ? undefined : this.#batches.get(turn);
	}

	/** Keeps a batch until it is its turn. */
	add(batch: ReadyBatch): void {
		this.#batches.set(batch.identity.seq, batch);
	}

	/** Takes out the batch whose turn it is, which has to be here. */
	take(): ReadyBatch {
		const batch = this.batch as ReadyBatch;
		this.#batches.delete(batch.identity.seq);
		return batch;
	}

	/** Takes out every batch that waits. */
	takeAll(): readonly ReadyBatch[] {
		const batches = [...this.#batches.values()];
		this.#batches.clear();
		return batches;
	}

	/** Nothing more will come from the device in this round. */
	get isDone(): boolean {
		return this.gone || (this.weights !== undefined && this.#batches.size === 0);
	}
}

/** Neighbours in the roster's order, `size` at a time. */
export function groupsOf(members: readonly Member[], size: number): Member[][] {
	const groups: Member[][] = [];
	for (let first = 0; first < members.length; first += size) groups.push(members.slice(first, first + size));
	return groups;
}
