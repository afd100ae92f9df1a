import { HeldLease } from "./held-lease.js";
import type { AcquireOptions, Lease, Leases } from "./lease.js";

/** What every kind of leases has in common: it knows those in the hands of this process, and gives them back at its end. */
export abstract class HeldLeases implements Leases {
	readonly #held = new Set<HeldLease>();

	abstract acquire(name: string, options?: AcquireOptions): Promise<Lease>;

	async close(): Promise<void> {
		await Promise.all([...this.#held].map((lease) => lease.release()));
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}

	/** @param giveBack frees the lease; not called for one that was lost */
	protected hold(name: string, epoch: number, giveBack: () => Promise<void>): HeldLease {
		const lease = new HeldLease(name, epoch, giveBack);
		this.#held.add(lease);
		lease.over.addEventListener("abort", () => this.#held.delete(lease), { once: true });
		return lease;
	}
}
