import type { Lease } from "./lease.js";
import { leaseLost } from "./lease-errors.js";

/** A lease in the hands of this process. */
export class HeldLease implements Lease {
	readonly name: string;
	readonly epoch: number;
	readonly #lost = new AbortController();
	readonly #over = new AbortController();
	readonly #giveBack: () => Promise<void>;
	#released: Promise<void> | undefined;

	/** @param giveBack frees the lease; not called for one that was lost */
	constructor(name: string, epoch: number, giveBack: () => Promise<void>) {
		this.name = name;
		this.epoch = epoch;
		this.#giveBack = giveBack;
	}

	get lost(): AbortSignal {
		return this.#lost.signal;
	}

	/** Aborts when the lease is lost or released: nobody needs to keep it alive. */
	get over(): AbortSignal {
		return this.#over.signal;
	}

	/** It is somebody else's, or nobody can tell any more that it is not. */
	lose(why: string): void {
		if (this.#over.signal.aborted) return;
		this.#over.abort();
		this.#lost.abort(leaseLost(this.name, why));
	}

	release(): Promise<void> {
		this.#released ??= this.#release();
		return this.#released;
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.release();
	}

	async #release(): Promise<void> {
		if (this.#over.signal.aborted) return;
		this.#over.abort();
		await this.#giveBack();
	}
}
