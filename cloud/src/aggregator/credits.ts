interface Account {
	readonly epoch: number;
	/** Batches the device may have under way at a time. */
	readonly window: number;
	/** Batches of the epoch the device may send in all. */
	upTo: number;
	/** The first batch without an answer. */
	next: number;
	/** Places it has: one for each of the batches from `next` on. */
	held: number;
}

/** What a device may send. */
export interface Grant {
	readonly epoch: number;
	/** Batches of the epoch in all. */
	readonly upTo: number;
}

/**
 * How many batches may be under way: a place for each is granted before a device sends it, and given to the next device
 * when the batch has its answer. A device has as many at a time as its window, when nobody is without. Devices wait for places in the order in which their turns come, so those whose batches
 * are needed first have them. Credit decides when a batch comes, never what is learned from it.
 */
export class Credits {
	readonly #places: number;
	readonly #onGrant: (device: string, grant: Grant) => void;
	readonly #accounts = new Map<string, Account>();
	/** Devices without a place, in the order they asked. */
	readonly #queue = new Set<string>();
	/** Devices that have some and could use more; they come after those without. */
	readonly #wanting = new Set<string>();
	#taken = 0;

	/**
	 * @param places batches under way at a time
	 * @param onGrant a device that had to wait may go on
	 */
	constructor(places: number, onGrant: (device: string, grant: Grant) => void) {
		this.#places = places;
		this.#onGrant = onGrant;
	}

	/** `device` takes part in `epoch`, from batch 0, with up to `window` batches under way: asks for its first places. */
	open(device: string, epoch: number, window = 1): void {
		this.leave(device);
		const account = { epoch, window, upTo: 0, next: 0, held: 0 };
		this.#accounts.set(device, account);
		this.#ask(device, account);
	}

	/** What a device may send now; undefined when it takes no part. */
	of(device: string): Grant | undefined {
		return this.#accounts.get(device);
	}

	/** Whether a device waits for a place. */
	isQueued(device: string): boolean {
		return this.#queue.has(device);
	}

	/** Takes a batch in: it has a place, or there is one. Without either the device has to send it again. */
	admit(device: string, seq: number): boolean {
		const account = this.#accounts.get(device);
		if (account === undefined || seq < account.next + account.held) return true;
		if (seq >= account.upTo && this.#taken >= this.#places) return false;
		// Credit that outlived a restart, a device that was given up, or one that knows no credit.
		this.#take(device, account);
		return true;
	}

	/** The batch `seq` of a device has its answer: its place is free, and the device asks for the next one. */
	answered(device: string, seq: number): void {
		const account = this.#accounts.get(device);
		if (account === undefined || seq < account.next) return;
		account.next = seq + 1;
		this.#release(account);
		this.#ask(device, account);
	}

	/** Nothing is expected of a device for now: others get its places. What it was granted it may still send. */
	leave(device: string): void {
		this.#queue.delete(device);
		this.#wanting.delete(device);
		const account = this.#accounts.get(device);
		while (account !== undefined && account.held > 0) this.#release(account);
	}

	close(device: string): void {
		this.leave(device);
		this.#accounts.delete(device);
	}

	/** Gives devices their place at once, also beyond the number of places: nothing goes on without their batches. */
	press(devices: readonly string[]): void {
		for (const device of devices) {
			const account = this.#accounts.get(device);
			if (account !== undefined && this.#queue.has(device)) this.#grant(device, account);
		}
	}

	#ask(device: string, account: Account): void {
		while (account.held < account.window && this.#taken < this.#places) this.#take(device, account);
		if (account.held < account.window) (account.held === 0 ? this.#queue : this.#wanting).add(device);
	}

	#take(device: string, account: Account): void {
		this.#queue.delete(device);
		account.held++;
		account.upTo = Math.max(account.upTo, account.next + account.held);
		this.#taken++;
		if (account.held < account.window) this.#wanting.add(device);
		else this.#wanting.delete(device);
	}

	#grant(device: string, account: Account): void {
		this.#take(device, account);
		this.#onGrant(device, account);
	}

	#release(account: Account): void {
		if (account.held === 0) return;
		account.held--;
		this.#taken--;
		const first = this.#queue.values().next().value ?? this.#wanting.values().next().value;
		const next = first === undefined ? undefined : this.#accounts.get(first);
		if (next !== undefined && this.#taken < this.#places) this.#grant(first as string, next);
	}
}
