import { type KeptMessage, Outbox, type OutboxEntry, outboxLimits } from "@psgl/sdk/store";
import type { FleetDevice } from "../scenario/expand-fleet.js";
import type { EventQueue } from "./event-queue.js";

/** Milliseconds after a start until the network has set the clock. */
const clockSetMs = 30_000;

/** The outbox of the sdk on a device in virtual time, with the device's own clock: wrong after a start, until the network sets it. */
export class DeviceOutbox {
	readonly #queue: EventQueue;
	readonly #device: FleetDevice;
	#outbox: Outbox | undefined;
	#startedAt = 0;

	constructor(queue: EventQueue, device: FleetDevice) {
		this.#queue = queue;
		this.#device = device;
	}

	/** The device has started. */
	started(): void {
		this.#startedAt = this.#queue.now;
	}

	/** The message that has no answer. */
	get first(): OutboxEntry | undefined {
		return this.#outbox?.entries[0];
	}

	/** @throws LimitError `PSGL_OUTBOX_FULL`. */
	async keep(message: KeptMessage): Promise<void> {
		this.#outbox ??= await Outbox.open({
			store: undefined,
			clock: { now: () => this.#now(), sleep: () => Promise.reject(new Error("an outbox does not sleep")) },
			maxBytes: outboxLimits.maxOutboxBytes,
			maxAgeMs: outboxLimits.maxOutboxAgeMs,
		});
		await this.#outbox.keep(message);
	}

	/** @throws LimitError `PSGL_OUTBOX_EXPIRED` when the message without an answer is too old by the device's clock. */
	requireFresh(): void {
		if (this.first !== undefined) this.#outbox?.requireFresh(this.first);
	}

	clear(): void {
		this.#outbox?.clear();
	}

	#now(): number {
		const { now } = this.#queue;
		return now - this.#startedAt < clockSetMs ? now + this.#device.clockErrorMs : now;
	}
}
