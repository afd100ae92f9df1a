import { PsglError, systemClock } from "@psgl/sdk";
import type { Aggregator } from "../aggregator/aggregator.js";
import type { Lease } from "../lease/lease.js";
import { cloudLimits } from "../limits.js";
import { announceShare, followShares } from "./notices.js";
import { type OwnPartitionOptions, ownPartition } from "./own-partition.js";

/** How long a process owns a partition. */
export interface OwnedPartition {
	/** Of its lease. */
	readonly epoch: number;
	/** It does so no longer; what the aggregator does after that counts for nothing. */
	readonly over: AbortSignal;
}

export interface OwnPartitionsOptions extends Pick<OwnPartitionOptions, "store"> {
	/** Milliseconds a process has to be without a partition until one that has several gives it one. Default 10,000. */
	readonly shareIdleMs?: number | undefined;
	/** What each partition's aggregator is started with. */
	readonly aggregator: (partition: number) => OwnPartitionOptions["aggregator"];
	/** This process owns a partition from now on. */
	readonly onOwned?: ((partition: number, aggregator: Aggregator, owned: OwnedPartition) => void) | undefined;
	/** It does so no longer: another took over, the store did not answer, or it gave the partition to one that has none. It stands by for it again. */
	readonly onLost?: ((partition: number, error: PsglError | undefined) => void) | undefined;
	/** Aborting it gives everything up. */
	readonly signal: AbortSignal;
}

/** Notices after which one that is not heard of any more is gone, or no longer without a partition. */
const idleNotices = 4;

/** Another took over, or the store is away for longer than a call waits: this process stands by again. */
const standsBy = new Set(["PSGL_LEASE_LOST", "PSGL_BLOB_FENCED", "PSGL_STORE_TIMEOUT"]);

/**
 * Stands by for every partition of a run and aggregates those it gets, until `signal` aborts. Whoever has partitions waits
 * longer before it takes another, and gives one up for a process that has none: aggregators share them evenly.
 * @throws what ends an aggregator but for the loss of its lease and a store that does not answer.
 */
export async function ownPartitions(options: OwnPartitionsOptions): Promise<void> {
	const { store, signal } = options;
	const { partitions, link, name } = store;
	const failed = new AbortController();
	const stop = AbortSignal.any([signal, failed.signal]);
	const owner = new PartitionsOwner(options, stop);
	void announceShare(link, name, { share: () => owner.share, clock: systemClock, signal: stop });
	using _shares = followShares(link, name, (share) => {
		owner.heardOf(share);
	});
	const loops = Array.from({ length: partitions }, (_, partition) =>
		owner.run(partition).catch((error: unknown) => {
			failed.abort();
			throw error;
		}),
	);
	const outcomes = await Promise.allSettled(loops);
	for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
}

class PartitionsOwner {
	readonly #options: OwnPartitionsOptions;
	readonly #stop: AbortSignal;
	readonly #owned = new Map<number, AbortController>();
	/** Since when, and when last, somebody said to have none. */
	#idleSince = Number.NEGATIVE_INFINITY;
	#idleHeardAt = Number.NEGATIVE_INFINITY;

	constructor(options: OwnPartitionsOptions, stop: AbortSignal) {
		this.#options = options;
		this.#stop = stop;
	}

	/** Partitions this process owns. */
	get share(): number {
		return this.#owned.size;
	}

	/**
	 * A process told how many partitions it has. One that has none for a while, and does not only start or lose its link, gets
	 * the one taken last, where this one has several.
	 */
	heardOf(share: number): void {
		if (share > 0) return;
		const { store, shareIdleMs = cloudLimits.shareIdleMs } = this.#options;
		const now = performance.now();
		if (!this.#hearsIdle) this.#idleSince = now;
		this.#idleHeardAt = now;
		if (this.share < 2 || now - this.#idleSince < shareIdleMs) return;
		// A partition that has only just got over an outage is not made to stand still once more.
		if (store.link.calmMs < shareIdleMs) return;
		this.#idleSince = now;
		[...this.#owned.values()].at(-1)?.abort();
	}

	async run(partition: number): Promise<void> {
		const { store } = this.#options;
		const stop = this.#stop;
		const name = `partition-${partition}`;
		let wasReleased: boolean = false;
		while (!stop.aborted) {
			try {
				await using lease = await store.leases.acquire(name, { holdBackMs: this.#holdBackMs, signal: stop });
				await this.#own(partition, lease, () => {
					wasReleased = false;
				});
			} catch (error) {
				if (stop.aborted) return;
				if (!(error instanceof PsglError)) throw error;
				if (error.code === "PSGL_LEASE_HELD") {
					await this.#standBy();
					continue;
				}
				// An owner before this one, of a run that is trained, may have let go of what was being read here; the next look begins after it.
				const isReleased: boolean = error.code === "PSGL_LOG_RELEASED" && !wasReleased;
				if (!isReleased && !standsBy.has(error.code)) throw error;
				wasReleased = isReleased;
				this.#options.onLost?.(partition, error);
			}
			await this.#standBy();
		}
	}

	async #own(partition: number, lease: Lease, onStarted: () => void): Promise<void> {
		const { store, aggregator, onOwned, onLost } = this.#options;
		const given = new AbortController();
		this.#owned.set(partition, given);
		this.#idleSince = performance.now();
		try {
			await ownPartition({
				store,
				partition,
				lease,
				aggregator: aggregator(partition),
				onOwned: (started, over) => {
					onStarted();
					onOwned?.(partition, started, { epoch: lease.epoch, over });
				},
				signal: AbortSignal.any([this.#stop, given.signal]),
			});
		} finally {
			this.#owned.delete(partition);
		}
		if (!this.#stop.aborted) onLost?.(partition, undefined);
	}

	/**
	 * A partition that becomes free while a process has none is left to that one. Taken by another it would have to be given to it later, and
	 * stand still once more for that.
	 */
	get #holdBackMs(): number {
		return this.share > 0 && this.#hearsIdle ? 2 * cloudLimits.leasePollMs : 0;
	}

	/** Somebody has no partition, and has said so a moment ago. */
	get #hearsIdle(): boolean {
		return performance.now() - this.#idleHeardAt <= idleNotices * cloudLimits.ownerNoticeMs;
	}

	async #standBy(): Promise<void> {
		const pauseMs = cloudLimits.leasePollMs * (1 + this.share);
		await systemClock.sleep(pauseMs, this.#stop).catch(() => undefined);
	}
}
