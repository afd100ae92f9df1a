import { budgetLimits } from "../budget/budget-limits.js";
import { DataError } from "../errors.js";
import type { Clock } from "../ports/clock.js";
import type { DeviceStore, StoreChange } from "../ports/device-store.js";
import { storeClosed } from "./memory-store.js";

export interface WaitingStoreOptions {
	readonly store: DeviceStore;
	readonly clock: Clock;
}

/**
 * A store whose writes wait while they cannot be made, on a full disk or one that has become read-only, and are tried again every five
 * seconds. Their order stays, and what a caller did not want to wait for goes with the next write: what the store holds is always what
 * some writes before left.
 */
export class WaitingStore implements DeviceStore {
	readonly #store: DeviceStore;
	readonly #clock: Clock;
	/** Whether writes wait; until then one that fails is an error at once. */
	#waits = false;
	#failure: DataError | undefined;
	/** Changes that no write has made yet. */
	#unwritten: StoreChange[] = [];
	/** The last write; the next one starts when it has ended. */
	#writing: Promise<unknown> = Promise.resolve();
	/** Ends the waiting of the writes so far. */
	#stop = new AbortController();
	#closed = false;
	readonly #watchers = new Set<() => void>();

	constructor({ store, clock }: WaitingStoreOptions) {
		this.#store = store;
		this.#clock = clock;
	}

	/** Why the last attempt to write failed, `PSGL_STORE_WRITE`; undefined while writing works. */
	get failure(): DataError | undefined {
		return this.#failure;
	}

	/** From now on writes wait. */
	wait(): void {
		this.#waits = true;
	}

	/** Calls `changed` when writing begins to fail, and when it works again, until the result is called. */
	watch(changed: () => void): () => void {
		this.#watchers.add(changed);
		return () => this.#watchers.delete(changed);
	}

	/**
	 * What needs to write, for somebody who does not wait for the storage: undefined when writing fails, or begins to, before it has ended. It goes
	 * on then by itself.
	 */
	async unlessFailing<T>(work: () => Promise<T>): Promise<T | undefined> {
		if (this.#failure !== undefined) return undefined;
		return new Promise<T | undefined>((resolve, reject) => {
			const leave = this.watch(() => resolve(undefined));
			work().then(resolve, reject).finally(leave);
		});
	}

	/** Writes that wait reject with why; their changes go with the next write. */
	giveUp(): void {
		this.#stop.abort();
		this.#stop = new AbortController();
	}

	async get(key: string): Promise<Uint8Array | undefined> {
		await this.#writing;
		return this.#store.get(key);
	}

	async keys(prefix: string): Promise<readonly string[]> {
		await this.#writing;
		return this.#store.keys(prefix);
	}

	async write(changes: readonly StoreChange[]): Promise<void> {
		const { signal } = this.#stop;
		const writing = this.#writing.then(() => this.#write(changes, signal));
		this.#writing = writing.catch(() => undefined);
		await writing;
	}

	async close(): Promise<void> {
		this.#closed = true;
		this.giveUp();
		await this.#store.close();
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}

	async #write(changes: readonly StoreChange[], stopped: AbortSignal): Promise<void> {
		this.#unwritten.push(...changes);
		for (;;) {
			if (this.#closed) throw storeClosed();
			try {
				await this.#store.write(this.#unwritten);
				this.#unwritten = [];
				return this.#tell(undefined);
			} catch (error) {
				if (!(error instanceof DataError) || error.code !== "PSGL_STORE_WRITE") throw error;
				this.#tell(error);
				if (this.#waits) await this.#clock.sleep(budgetLimits.pauseCheckMs, stopped).catch(() => undefined);
				if (!this.#waits || stopped.aborted) throw error;
			}
		}
	}

	#tell(failure: DataError | undefined): void {
		const changed = (failure === undefined) !== (this.#failure === undefined);
		this.#failure = failure;
		if (changed) for (const watcher of [...this.#watchers]) watcher();
	}
}
