/** Something that will happen; `cancel` it before it does. */
export interface Scheduled {
	cancel(): void;
}

class Entry implements Scheduled {
	readonly at: number;
	/** Order of scheduling: what is due at the same time happens in it. */
	readonly order: number;
	run: (() => void | Promise<void>) | undefined;

	constructor(at: number, order: number, run: () => void | Promise<void>) {
		this.at = at;
		this.order = order;
		this.run = run;
	}

	cancel(): void {
		this.run = undefined;
	}
}

/**
 * One queue of events in virtual time: the next one in time happens, and may schedule others. The order is a function of the times
 * and of the order of scheduling alone, so the same start gives the same run.
 */
export class EventQueue {
	readonly #heap: Entry[] = [];
	#now = 0;
	#orders = 0;
	#done = 0;

	/** Milliseconds of virtual time. */
	get now(): number {
		return this.#now;
	}

	/** Events that have happened. */
	get done(): number {
		return this.#done;
	}

	/** Schedules `run` for the time `at`, or for now when that has passed. */
	at(at: number, run: () => void | Promise<void>): Scheduled {
		const entry = new Entry(Math.max(at, this.#now), this.#orders++, run);
		this.#push(entry);
		return entry;
	}

	/** Schedules `run` in `ms` milliseconds. */
	after(ms: number, run: () => void | Promise<void>): Scheduled {
		return this.at(this.#now + ms, run);
	}

	/** Lets everything happen that is due before `end`; then it is `end`. @throws the signal's reason. */
	async runUntil(end: number, signal?: AbortSignal): Promise<void> {
		for (;;) {
			const next = this.#heap[0];
			if (next === undefined || next.at >= end) break;
			this.#pop();
			const { run } = next;
			if (run === undefined) continue;
			this.#now = next.at;
			// The event loop of the process gets a turn now and then: signals, a progress bar.
			if (++this.#done % 20_000 === 0) {
				await new Promise((resolve) => setImmediate(resolve));
				signal?.throwIfAborted();
			}
			const pending = run();
			if (pending !== undefined) await pending;
		}
		this.#now = end;
	}

	#push(entry: Entry): void {
		const heap = this.#heap;
		let i = heap.length;
		heap.push(entry);
		while (i > 0) {
			const parent = (i - 1) >> 1;
			const above = heap[parent] as Entry;
			if (isBefore(above, entry)) break;
			heap[i] = above;
			i = parent;
		}
		heap[i] = entry;
	}

	#pop(): void {
		const heap = this.#heap;
		const last = heap.pop() as Entry;
		if (heap.length === 0) return;
		let i = 0;
		for (;;) {
			let child = 2 * i + 1;
			if (child >= heap.length) break;
			const right = heap[child + 1];
			if (right !== undefined && isBefore(right, heap[child] as Entry)) child++;
			const below = heap[child] as Entry;
			if (isBefore(last, below)) break;
			heap[i] = below;
			i = child;
		}
		heap[i] = last;
	}
}

function isBefore(a: Entry, b: Entry): boolean {
	return a.at < b.at || (a.at === b.at && a.order < b.order);
}
