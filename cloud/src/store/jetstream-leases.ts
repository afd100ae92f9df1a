import { hostname } from "node:os";
import type { KV } from "@nats-io/kv";
import { type Clock, systemClock } from "@psgl/sdk";
import type { HeldLease } from "../lease/held-lease.js";
import { HeldLeases } from "../lease/held-leases.js";
import type { AcquireOptions, Lease, Leases } from "../lease/lease.js";
import { leaseHeld } from "../lease/lease-errors.js";
import { cloudLimits } from "../limits.js";
import { openKeys } from "./buckets.js";
import { isPassing, isWrongSequence } from "./nats-faults.js";
import type { NatsLink } from "./nats-link.js";
import { persist } from "./persist.js";

export interface JetStreamLeasesOptions {
	readonly link: NatsLink;
	/** Of the bucket. */
	readonly name: string;
	readonly replicas?: number | undefined;
	/** Milliseconds after which a lease that nobody renews is free. Default 4000. */
	readonly leaseMs?: number | undefined;
	readonly clock?: Clock | undefined;
	readonly signal?: AbortSignal | undefined;
}

/** Leases among all processes that share a store: keys that expire unless they are renewed. */
export async function openJetStreamLeases(options: JetStreamLeasesOptions): Promise<Leases> {
	const { link, name, replicas = 1, leaseMs = cloudLimits.leaseMs, signal } = options;
	const keys = await openKeys(link, { name: `${name}-leases`, replicas, signal }, leaseMs);
	return new JetStreamLeases(options, keys);
}

class JetStreamLeases extends HeldLeases {
	readonly #options: JetStreamLeasesOptions;
	readonly #keys: KV;
	/** When a look last took so long that nobody can have renewed a lease meanwhile. */
	#outageAt = Number.NEGATIVE_INFINITY;

	constructor(options: JetStreamLeasesOptions, keys: KV) {
		super();
		this.#options = options;
		this.#keys = keys;
	}

	async acquire(name: string, { wait = false, holdBackMs = 0, signal }: AcquireOptions = {}): Promise<Lease> {
		const { link, clock = systemClock, leaseMs = cloudLimits.leaseMs } = this.#options;
		const holder = `${hostname()} process ${process.pid} ${crypto.randomUUID()}`;
		for (;;) {
			const entry = await this.#look(name, signal);
			// Of an attempt whose answer was lost.
			if (entry?.holder === holder) return this.#keep(name, holder, entry.revision);
			if (entry?.holder !== undefined) {
				if (!wait) throw leaseHeld(name, shown(entry.holder));
				await clock.sleep(cloudLimits.leasePollMs, signal);
				continue;
			}
			// Nobody gave it back, it expired: a holder that the store's servers kept from renewing it has the first go, for longer where they just
			// elected a leader.
			const patienceMs = entry === undefined ? (this.#hadOutage ? leaseMs : leaseMs / 4) : 0;
			if (patienceMs + holdBackMs > 0) await clock.sleep(patienceMs + holdBackMs, signal);
			try {
				const create = () => this.#keys.create(name, holder);
				const epoch = await persist(link, create, { signal, clock, what: `take the lease ${name}` });
				return this.#keep(name, holder, epoch);
			} catch (error) {
				if (!isWrongSequence(error)) throw error;
			}
		}
	}

	#keep(name: string, holder: string, epoch: number): Lease {
		const { link } = this.#options;
		const state = { revision: epoch };
		const lease = this.hold(name, epoch, async () => {
			// Left alone it expires.
			if (!link.isClosed) {
				await this.#keys.delete(name, { previousSeq: state.revision }).catch(() => undefined);
			}
		});
		void this.#renew(lease, holder, state);
		return lease;
	}

	/**
	 * Keeps a lease alive. While no server answers nobody else can take it either, so it is lost only when another has it:
	 * what a holder writes in between is fenced by the log and by blobs' epochs, whatever it believes.
	 */
	async #renew(lease: HeldLease, holder: string, state: { revision: number }): Promise<void> {
		const { clock = systemClock, leaseMs = cloudLimits.leaseMs, link } = this.#options;
		const { name, over } = lease;
		let pauseMs = leaseMs / 4;
		while (!over.aborted) {
			await clock.sleep(pauseMs, over).catch(() => undefined);
			if (over.aborted) return;
			pauseMs = leaseMs / 4;
			try {
				await link.ready(over);
				state.revision = await link.call(() =>
					this.#keys.update(name, holder, state.revision, cloudLimits.storeCallMs),
				);
			} catch (error) {
				if (over.aborted) return;
				// Others wait for it to expire: the next attempt comes at once.
				pauseMs = cloudLimits.storeRetryMs;
				if (isWrongSequence(error)) await this.#lookAgain(lease, holder, state).catch(() => undefined);
				else if (!isPassing(error)) lease.lose((error as Error).message);
			}
		}
	}

	get #hadOutage(): boolean {
		const { leaseMs = cloudLimits.leaseMs } = this.#options;
		return performance.now() - this.#outageAt < 2 * leaseMs;
	}

	/** The key is not as it was left: an attempt of ours was taken, it expired, or another holds the lease. */
	async #lookAgain(lease: HeldLease, holder: string, state: { revision: number }): Promise<void> {
		const { name, over } = lease;
		const entry = await this.#look(name, over);
		if (entry?.holder === holder) state.revision = entry.revision;
		else if (entry?.holder !== undefined) lease.lose(`held by ${shown(entry.holder)}`);
		else state.revision = await this.#keys.create(name, holder);
	}

	/** Undefined when the key expired or was never there; without a holder when the last one gave it back. */
	async #look(name: string, signal: AbortSignal | undefined) {
		const { link, clock } = this.#options;
		const began = performance.now();
		const look = () => this.#keys.get(name);
		const entry = await persist(link, look, { signal, clock, what: `look at the lease ${name}` });
		if (performance.now() - began > cloudLimits.storeCallMs) this.#outageAt = performance.now();
		if (entry === null) return undefined;
		return { holder: entry.operation === "PUT" ? entry.string() : undefined, revision: entry.revision };
	}
}

/** A holder as people are told of it: without what tells two of one process apart. */
function shown(holder: string): string {
	return holder.split(" ").slice(0, 3).join(" ");
}
