import type { Manifest } from "../artifact/index.js";
import type { Clock } from "../ports/clock.js";
import type { Host } from "../ports/host.js";
import type { PauseReason } from "../protocol/index.js";
import { budgetLimits } from "./budget-limits.js";
import { fittingBatch } from "./fitting-batch.js";
import { isWithinHours, type ResourceBudget } from "./resource-budget.js";

export interface WorkGateOptions {
	readonly budget: ResourceBudget;
	/** Undefined where nothing is known of the machine: then only hours and duty cycle count. */
	readonly host: Host | undefined;
	readonly clock: Clock;
	/** What the device keeps lies there; undefined where it keeps nothing. */
	readonly storage?: { readonly failure: unknown } | undefined;
}

/** Says when a device may compute training steps, and how long it rests after one. Decisions are made at any time. */
export class WorkGate {
	readonly #host: Host | undefined;
	readonly #clock: Clock;
	readonly #storage: WorkGateOptions["storage"];
	/** In force; a twin changes it between two steps. */
	budget: ResourceBudget;
	/** Memory of the process before it trained. */
	#idleBytes: number | undefined;
	#paused: readonly PauseReason[] = [];

	constructor({ budget, host, clock, storage }: WorkGateOptions) {
		this.budget = budget;
		this.#host = host;
		this.#clock = clock;
		this.#storage = storage;
	}

	/** Why the device paused when it looked last, and whether it waits for its storage now; empty while it works. */
	get paused(): readonly PauseReason[] {
		return this.#storage?.failure === undefined ? this.#paused : [...this.#paused, "storage"];
	}

	/** Looks whether the device may work. @returns whether anything changed since it looked last */
	async look(): Promise<boolean> {
		const reasons = await this.#reasons();
		const changed = reasons.join() !== this.#paused.join();
		this.#paused = reasons;
		return changed;
	}

	/** Gives other programs of the machine precedence, as far as the budget says. */
	giveWay(): void {
		const { nice } = this.budget;
		if (nice !== undefined) this.#host?.setNice(nice);
	}

	/**
	 * Samples of a training batch that the memory of the budget takes.
	 * @throws LimitError `PSGL_DEVICE_MEMORY` when not even the smallest batch fits.
	 */
	fittingBatch(manifest: Manifest, batchSize: number): number {
		const { memoryBytes } = this.budget;
		if (memoryBytes === undefined || this.#host === undefined) return batchSize;
		// Once, before anything is trained: what training took comes back from the allocator late or never.
		this.#idleBytes ??= this.#host.memoryBytes();
		return fittingBatch(manifest, batchSize, memoryBytes, this.#idleBytes);
	}

	/** Milliseconds to rest after `busyMs` of computing. */
	restMs(busyMs: number): number {
		const { dutyCycle = 1 } = this.budget;
		return Math.max(0, busyMs) * (1 / dutyCycle - 1);
	}

	async #reasons(): Promise<readonly PauseReason[]> {
		const { maxCelsius, onlyOnMains, hours } = this.budget;
		const reasons: PauseReason[] = [];
		if (maxCelsius !== undefined) {
			const celsius = await this.#host?.celsius();
			const limit = this.#paused.includes("temperature") ? maxCelsius - budgetLimits.coolDownCelsius : maxCelsius;
			if (celsius !== undefined && celsius > limit) reasons.push("temperature");
		}
		if (onlyOnMains === true && (await this.#host?.onMains()) === false) reasons.push("battery");
		if (hours !== undefined && !isWithinHours(hours, new Date(this.#clock.now()))) reasons.push("hours");
		return reasons;
	}
}
