import { Waiters } from "../log/waiters.js";
import { leaseHeld } from "../store/store-errors.js";
import { HeldLease } from "./held-lease.js";
import type { AcquireOptions, Lease, Leases } from "./lease.js";

/** Leases among the parts of one process. */
export function createMemoryLeases(): Leases {
	return new MemoryLeases();
}

class MemoryLeases implements Leases {
	readonly #held = new Map<string, HeldLease>();
	readonly #waiters = new Waiters();
	#epoch = 0;

	async acquire(name: string, { wait = false, signal }: AcquireOptions = {}): Promise<Lease> {
		signal?.throwIfAborted();
		while (this.#held.has(name)) {
			if (!wait) throw leaseHeld(name, "in this process");
			await this.#waiters.change(signal);
		}
		const lease = new HeldLease(name, ++this.#epoch, async () => {
			this.#held.delete(name);
			this.#waiters.notify();
		});
		this.#held.set(name, lease);
		return lease;
	}

	async close(): Promise<void> {
		await Promise.all([...this.#held.values()].map((lease) => lease.release()));
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}
}
