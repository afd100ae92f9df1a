/** Batches a device may have under way at a time. */
const window = 1;

interface Account {
	readonly epoch: number;
	/** Batches of the epoch the device may send in all. */
	upTo: number;
	/** The batch the device sends next. */
	next: number;
	/** Whether it has one of the places. */
	holds: boolean;
}

/** What a device may send. */
export interface Grant {
	readonly epoch: number;
	/** Batches of the epoch in all. */
	readonly upTo: number;
}

/**
 * How many batches may be under way: a place for each is granted before a device sends it, and given to the next device
 * when the batch has its answer. Devices wait for places in the order in which their turns come, so those whose batches
 * are needed first have them. Credit decides when a batch comes, never what is learned from it.
 */
export class Credits {
	readonly #places: number;
	readonly #onGrant: (device: string, grant: Grant) => void;
	readonly #accounts = new Map<string, Account>();
	/** Devices without a place, in the order they asked. */
	readonly #queue = new Set<string>();
	#taken = 0;

	/**
	 * @param places batches under way at a time
	 * @param onGrant a device that had to wait may go on
	 */
	constructor(places: number, onGrant: (device: string, grant: Grant) => void) {
		this.#places = places;
		this.#onGrant = onGrant;
	}

	/** `device` takes part in `epoch`, from batch 0: asks for its first place. */
	open(device: string, epoch: number): void {
		this.leave(device);
		this.#accounts.set(device, { epoch, upTo: 0, next: 0, holds: false });
		this.#ask(device);
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
		if (account === undefined || account.holds || seq < account.next) return true;
		if (seq >= account.upTo && this.#taken >= this.#places) return false;
		// Credit that outlived a restart, a device that was given up, or one that knows no credit.
		this.#take(device, account);
		return true;
	}

	/** The batch `seq` of a device has its answer: its place is free, and the device asks for the next one. */
	answered(device: string, seq: number): void {
		const account = this.#accounts.get(device);
		if (account === undefined) return;
		account.next = Math.max(account.next, seq + 1);
		this.#release(account);
		this.#ask(device);
	}

	/** Nothing is expected of a device for now: others get its place. What it was granted it may still send. */
	leave(device: string): void {
		this.#queue.delete(device);
		const account = this.#accounts.get(device);
		if (account !== undefined) this.#release(account);
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

	#ask(device: string): void {
		const account = this.#accounts.get(device) as Account;
		if (this.#taken >= this.#places) this.#queue.add(device);
		else this.#take(device, account);
	}

	#take(device: string, account: Account): void {
		this.#queue.delete(device);
		account.holds = true;
		account.upTo = Math.max(account.upTo, account.next + window);
		this.#taken++;
	}

	#grant(device: string, account: Account): void {
		this.#take(device, account);
		this.#onGrant(device, account);
	}

	#release(account: Account): void {
		if (!account.holds) return;
		account.holds = false;
		this.#taken--;
		const [first] = this.#queue;
		const next = first === undefined ? undefined : this.#accounts.get(first);
		if (next !== undefined && this.#taken < this.#places) this.#grant(first as string, next);
	}
}
