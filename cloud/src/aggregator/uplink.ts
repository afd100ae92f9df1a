import { type Clock, PsglError } from "@psgl/sdk";
import {
	ChunkAssembler,
	type DeviceMessage,
	decodeEnvelope,
	defaultReceiveLimits,
	type Expired,
	identify,
	type MessageIdentity,
	PartialBudget,
	protocolLimits,
	type Received,
	type StatusMessage,
} from "@psgl/sdk/protocol";
import { cloudLimits } from "../limits.js";
import { decodeEntry } from "../log/entry.js";
import type { Log, LogEntry } from "../log/log.js";
import { type Entries, isRecordEntry } from "./run-record.js";
import { Slots } from "./slots.js";

/** What reads the devices' messages. Those of one device come one at a time, in order. */
export interface UplinkHandler {
	onMessage(received: Received<DeviceMessage>, entries: Entries): Promise<void>;
	/** A message that could not be read, or whose chunks did not all come. */
	onUnreadable(device: string, error: PsglError, about: MessageIdentity | undefined): void;
	onStatus(device: string, status: StatusMessage): void;
}

export interface UplinkOptions {
	readonly log: Log;
	readonly clock: Clock;
	/** Longest envelope, bytes. */
	readonly maxMessageBytes: number;
	/** Bytes of incomplete messages, of all devices together. */
	readonly partialBytes: number;
	readonly handler: UplinkHandler;
	/** Whether an entry came before this process did. */
	readonly isPast: (position: number) => boolean;
	/** Payload bytes of a device's message, or of a part of one. */
	readonly onBytes: (device: string, bytes: number) => void;
	/** An entry has been handed on. */
	readonly onRead: (position: number) => void;
}

/** What a device sends of a training batch. */
const batchTypes: ReadonlySet<string> = new Set(["batch", "forward", "backward"]);

interface DeviceInput {
	readonly assembler: ChunkAssembler<"device">;
	/** Bytes since the last whole message. */
	bytes: number;
	/** Entries since no message was incomplete. */
	entries: number[];
	/** The last message handled. */
	last: Promise<void>;
}

/** Reads the log in order and hands on what devices sent. */
export class Uplink {
	readonly #options: UplinkOptions;
	readonly #inputs = new Map<string, DeviceInput>();
	readonly #slots = new Slots(cloudLimits.concurrentDecisions);
	readonly #partials: PartialBudget;
	#bytes = 0;
	#batchBytes = 0;

	constructor(options: UplinkOptions) {
		this.#options = options;
		this.#partials = new PartialBudget(options.partialBytes);
	}

	/** Payload bytes received. */
	get bytes(): number {
		return this.#bytes;
	}

	/** Of these in training batches. */
	get batchBytes(): number {
		return this.#batchBytes;
	}

	/** Reads from a position until the log is closed or `signal` aborts. Rejects when a handler does. */
	async run(from: number, signal: AbortSignal): Promise<void> {
		const { log } = this.#options;
		const failed = new AbortController();
		const stop = AbortSignal.any([signal, failed.signal]);
		try {
			for await (const { position, bytes } of log.read(from, { signal: stop })) {
				// The others the aggregator itself wrote.
				if (!isRecordEntry(bytes)) await this.#entry({ position, bytes }, (error) => failed.abort(error));
				this.#options.onRead(position);
			}
		} catch (error) {
			if (!signal.aborted) throw error;
		} finally {
			for (const { assembler } of this.#inputs.values()) assembler[Symbol.dispose]();
			await Promise.all([...this.#inputs.values()].map((input) => input.last));
		}
	}

	/** Forgets a device: its incomplete messages go. */
	forget(device: string): void {
		this.#inputs.get(device)?.assembler[Symbol.dispose]();
		this.#inputs.delete(device);
	}

	async #entry({ position, bytes }: LogEntry, fail: (error: unknown) => void): Promise<void> {
		const { device, channel, payload } = decodeEntry(bytes);
		if (channel === "up") await this.#accept(device, position, payload, fail);
		// Who was on line when another process ran says nothing about now.
		else if (!this.#options.isPast(position)) this.#status(device, payload);
	}

	#status(device: string, payload: Uint8Array): void {
		try {
			const status = decodeEnvelope(payload);
			if (status.type === "status" && status.device === device) {
				this.#options.handler.onStatus(device, status);
			}
		} catch (error) {
			if (!(error instanceof PsglError)) throw error;
			this.#options.handler.onUnreadable(device, error, undefined);
		}
	}

	async #accept(device: string, position: number, payload: Uint8Array, fail: (error: unknown) => void): Promise<void> {
		const input = this.#input(device, fail);
		this.#bytes += payload.byteLength;
		this.#options.onBytes(device, payload.byteLength);
		input.bytes += payload.byteLength;
		// More chunks than a device may have under way are copies without end.
		if (input.entries.length >= protocolLimits.maxPartialMessages * protocolLimits.maxChunks) input.assembler.clear();
		if (input.assembler.incomplete === 0) input.entries = [];
		input.entries.push(position);
		let received: Received<DeviceMessage> | undefined;
		try {
			received = input.assembler.accept(payload);
		} catch (error) {
			if (!(error instanceof PsglError)) throw error;
			input.bytes = 0;
			this.#options.handler.onUnreadable(device, error, identify(payload, this.#limits));
			return;
		}
		if (received === undefined) return;
		if (batchTypes.has(received.message.type)) this.#batchBytes += input.bytes;
		input.bytes = 0;
		await this.#handle(input, received, input.entries, fail);
	}

	/** Starts handling once there is a free place; messages of different devices are handled side by side. */
	async #handle(
		input: DeviceInput,
		received: Received<DeviceMessage>,
		entries: Entries,
		fail: (error: unknown) => void,
	): Promise<void> {
		await this.#slots.take();
		input.last = input.last
			.then(() => this.#options.handler.onMessage(received, entries))
			.catch(fail)
			.finally(() => this.#slots.giveBack());
	}

	#input(device: string, fail: (error: unknown) => void): DeviceInput {
		const known = this.#inputs.get(device);
		if (known !== undefined) return known;
		const { clock } = this.#options;
		const input: DeviceInput = {
			assembler: new ChunkAssembler({
				from: "device",
				device,
				clock,
				limits: this.#limits,
				budget: this.#partials,
				onExpired: (expired) => this.#expired(device, input, expired, fail),
			}),
			bytes: 0,
			entries: [],
			last: Promise.resolve(),
		};
		this.#inputs.set(device, input);
		return input;
	}

	#expired(device: string, input: DeviceInput, expired: Expired<DeviceMessage>, fail: (error: unknown) => void): void {
		const { partial, error, identity } = expired;
		if (partial === undefined) this.#options.handler.onUnreadable(device, error, identity);
		else void this.#handle(input, partial, input.entries, fail);
	}

	get #limits() {
		return { ...defaultReceiveLimits, maxMessageBytes: this.#options.maxMessageBytes };
	}
}
