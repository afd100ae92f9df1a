import { type AggregatorMessage, areShort, protocolLimits, splitIntoChunks } from "@psgl/sdk/protocol";
import type { Broker } from "../broker/broker.js";
import { cloudLimits } from "../limits.js";
import type { DeviceTelemetry } from "./device-telemetry.js";
import type { Roster } from "./roster.js";

/** Messages to devices: encoded once, cut to the negotiated maximum, one after the other for each device. */
export class Downlink {
	readonly #broker: Pick<Broker, "send">;
	readonly #roster: Roster;
	readonly #telemetry: DeviceTelemetry | undefined;
	/** Devices whose answers to batches, and weights, travel deflated, as their `welcome` said. */
	readonly #deflates = new Set<string>();
	readonly #queues = new Map<string, { waiting: number; last: Promise<void> }>();
	#bytes = 0;
	#gradientBytes = 0;

	constructor(broker: Pick<Broker, "send">, roster: Roster, telemetry?: DeviceTelemetry) {
		this.#broker = broker;
		this.#roster = roster;
		this.#telemetry = telemetry;
	}

	/** Payload bytes sent. */
	get bytes(): number {
		return this.#bytes;
	}

	/** Of these in gradients, and in features where labels stay on the devices. */
	get gradientBytes(): number {
		return this.#gradientBytes;
	}

	/** Sends a message without waiting, and returns its envelopes. A device that is off line asks again when it is back. */
	send(message: AggregatorMessage): readonly Uint8Array[] {
		const most = this.#roster.get(message.device)?.maxMessageBytes ?? protocolLimits.minMessageBytes;
		if (message.type === "welcome") this.#deflates[message.deflate === true ? "add" : "delete"](message.device);
		const answers = message.type === "gradient" || message.type === "features";
		const weights = message.type === "round" || message.type === "end" ? message.tensors : undefined;
		const pays = answers || (weights !== undefined && areShort(weights));
		const envelopes = splitIntoChunks(message, most, { deflate: pays && this.#deflates.has(message.device) });
		this.sendEnvelopes(message.device, envelopes);
		if (answers) {
			for (const envelope of envelopes) this.#gradientBytes += envelope.byteLength;
		}
		return envelopes;
	}

	/** Sends what was encoded before. */
	sendEnvelopes(device: string, envelopes: readonly Uint8Array[]): void {
		const queue = this.#queues.get(device) ?? { waiting: 0, last: Promise.resolve() };
		// A device that reads so slowly asks for what it misses.
		if (queue.waiting >= cloudLimits.maxOutgoing) return;
		this.#queues.set(device, queue);
		queue.waiting++;
		queue.last = queue.last
			.then(() => this.#deliver(device, envelopes))
			.finally(() => {
				queue.waiting--;
				if (queue.waiting === 0) this.#queues.delete(device);
			});
	}

	/** Resolves when everything has been handed to the broker. */
	async drained(): Promise<void> {
		await Promise.all([...this.#queues.values()].map((queue) => queue.last));
	}

	async #deliver(device: string, envelopes: readonly Uint8Array[]): Promise<void> {
		for (const envelope of envelopes) {
			if (!(await this.#broker.send(device, envelope))) return;
			this.#bytes += envelope.byteLength;
			this.#telemetry?.down(device, envelope.byteLength);
		}
	}
}
