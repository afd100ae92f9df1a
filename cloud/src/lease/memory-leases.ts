import { Waiters } from "../log/waiters.js";
import { HeldLeases } from "./held-leases.js";
import type { AcquireOptions, Lease, Leases } from "./lease.js";
import { leaseHeld } from "./lease-errors.js";

/** Leases among the parts of one process. */
export function createMemoryLeases(): Leases {
	return new MemoryLeases();
}

class MemoryLeases extends HeldLeases {
	readonly #taken = new Set<string>();
	readonly #waiters = new Waiters();
	#epoch = 0;

	async acquire(name: string, { wait = false, signal }: AcquireOptions = {}): Promise<Lease> {
		signal?.throwIfAborted();
		while (this.#taken.has(name)) {
			if (!wait) throw leaseHeld(name, "in this process");
			await this.#waiters.change(signal);
		}
		this.#taken.add(name);
		return this.hold(name, ++this.#epoch, async () => {
			this.#taken.delete(name);
			this.#waiters.notify();
		});
	}
}
