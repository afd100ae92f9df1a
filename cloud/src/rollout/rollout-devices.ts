import type { RolloutCounts } from "./rollout-counts.js";
import type { RolloutDeviceState } from "./rollout-state.js";

/** What became of the candidate on each device, counted as it comes. */
export class RolloutDevices implements Iterable<readonly [string, RolloutDeviceState]> {
	readonly #states = new Map<string, RolloutDeviceState>();
	readonly #failed = new Set<string>();
	readonly #counts = { offered: 0, trial: 0, confirmed: 0, failed: 0 };

	get size(): number {
		return this.#states.size;
	}

	get counts(): RolloutCounts {
		return { counts: { ...this.#counts }, failed: [...this.#failed].sort() };
	}

	get(device: string): RolloutDeviceState | undefined {
		return this.#states.get(device);
	}

	set(device: string, state: RolloutDeviceState): void {
		this.delete(device);
		this.#states.set(device, state);
		this.#counts[state]++;
		if (state === "failed") this.#failed.add(device);
	}

	delete(device: string): void {
		const before = this.#states.get(device);
		if (before === undefined) return;
		this.#states.delete(device);
		this.#failed.delete(device);
		this.#counts[before]--;
	}

	clear(): void {
		for (const device of [...this.#states.keys()]) this.delete(device);
	}

	[Symbol.iterator](): IterableIterator<[string, RolloutDeviceState]> {
		return this.#states[Symbol.iterator]();
	}
}
