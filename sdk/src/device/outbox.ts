import { LimitError } from "../errors.js";
import type { Clock } from "../ports/clock.js";
import type { DeviceStore, StoreChange } from "../ports/device-store.js";
import {
	type BackwardMessage,
	type BatchMessage,
	type CodesMessage,
	decodeEnvelope,
	type EvaluateMessage,
	encodeEnvelope,
	type FiguresMessage,
	type ForwardMessage,
	protocolLimits,
	type WeightsMessage,
} from "../protocol/index.js";
import { readRecord, writeRecord } from "../store/record.js";
import { type Tensor, tensorBytes, tensorFromBytes } from "../tensor.js";

/** Messages that take effect on the aggregator's weights or measurements, each exactly once. */
export type KeptMessage =
	| BatchMessage
	| EvaluateMessage
	| CodesMessage
	| ForwardMessage
	| BackwardMessage
	| FiguresMessage
	| WeightsMessage;

/** A message in the outbox. */
export interface OutboxEntry {
	readonly message: KeptMessage;
	/** Milliseconds since the Unix epoch. */
	readonly addedAt: number;
	/** It was in the outbox when the device started. */
	readonly restored: boolean;
	/** Which of its batch's samples it holds, where some were left out. */
	readonly samples: readonly number[] | undefined;
	/** Of a batch made while others were in flight: what cannot be made again once they have their answers. */
	readonly place?: number | undefined;
	readonly map?: Tensor<"float32"> | undefined;
}

/** How a batch was made that others were in flight before. */
export type Made = Pick<OutboxEntry, "place" | "map">;

/** A message that holds something of records, and its count in the disclosure ledger. */
export interface KeptRelease {
	/** Which of its batch's samples it holds. */
	readonly admitted: readonly number[];
	/** Writes the count together with other changes. */
	readonly write: (changes: readonly StoreChange[]) => Promise<void>;
}

export interface OutboxOptions {
	readonly store: DeviceStore | undefined;
	readonly clock: Clock;
	/** Bytes of the tensors of all messages in it. Default 128 MiB. */
	readonly maxBytes: number;
	/** Milliseconds a message may be without an answer. Default seven days. */
	readonly maxAgeMs: number;
}

/** Defaults of the outbox. */
export const outboxLimits = {
	/** Bytes of tensors in messages without an answer: the longest message of the protocol twice. */
	maxOutboxBytes: 2 * protocolLimits.maxBodyBytes,
	/** Milliseconds a message may be without an answer: a week. */
	maxOutboxAgeMs: 7 * 24 * 3600 * 1000,
} as const;

/** A message as the store holds it. */
interface MessageRecord {
	readonly addedAt: number;
	readonly envelope: Uint8Array;
	readonly samples?: readonly number[] | undefined;
	readonly place?: number | undefined;
	readonly map?: { readonly dims: readonly number[]; readonly bytes: Uint8Array } | undefined;
}

interface Slot extends OutboxEntry {
	readonly key: string;
	readonly bytes: number;
}

const prefix = "outbox/";

/**
 * What the device has sent, or is about to send, and has no answer to: in its store before the first byte leaves, out of
 * it in the same write as what the answer changed. After a crash the same bytes go out again, under the same identity.
 * The broker's acknowledgement removes nothing. When the outbox is full, training stops; nothing is ever dropped.
 */
export class Outbox {
	readonly #options: OutboxOptions;
	readonly #slots: Slot[] = [];
	#next = 0;

	private constructor(options: OutboxOptions) {
		this.#options = options;
	}

	/** @throws DataError `PSGL_STORE_DAMAGED`. */
	static async open(options: OutboxOptions): Promise<Outbox> {
		const outbox = new Outbox(options);
		const { store } = options;
		for (const key of (await store?.keys(prefix)) ?? []) {
			const { addedAt, envelope, samples, place, map } = readRecord<MessageRecord>(await store?.get(key));
			const limits = { maxMessageBytes: protocolLimits.maxMessageBytes, maxBodyBytes: protocolLimits.maxBodyBytes };
			const message = decodeEnvelope(envelope, limits) as KeptMessage;
			const made = { place, map: map && tensorFromBytes("float32", map.dims, map.bytes) };
			const bytes = tensorBytesOf(message);
			outbox.#slots.push({ key, message, addedAt, samples, ...made, bytes, restored: true });
			outbox.#next = Number(key.slice(prefix.length)) + 1;
		}
		return outbox;
	}

	/** Oldest first. */
	get entries(): readonly OutboxEntry[] {
		return this.#slots;
	}

	/** The message of that identity, if it was kept before. */
	find(message: MessageName): OutboxEntry | undefined {
		return this.#slots.find((slot) => isSame(slot.message, message));
	}

	/**
	 * Keeps a message from now on, and counts its release, at once; a message of the same identity that is there already is the one to
	 * send, and was counted.
	 * @throws LimitError `PSGL_OUTBOX_FULL`; DataError `PSGL_STORE_WRITE`.
	 */
	async keep(message: KeptMessage, release?: KeptRelease, { place, map }: Made = {}): Promise<OutboxEntry> {
		const known = this.find(message);
		if (known !== undefined) return known;
		const { store, clock, maxBytes } = this.#options;
		const bytes = tensorBytesOf(message);
		const used = this.#slots.reduce((total, slot) => total + slot.bytes, 0);
		if (used + bytes > maxBytes) {
			throw new LimitError("PSGL_OUTBOX_FULL", {
				what: "the device's outbox has no room for another message",
				got: `${this.#slots.length} messages with ${used} bytes, and one of ${bytes}`,
				expected: `at most ${maxBytes} bytes`,
				remedy: "Training stops here and loses nothing; raise maxOutboxBytes, or send smaller batches",
			});
		}
		const addedAt = clock.now();
		const key = prefix + String(this.#next++).padStart(10, "0");
		const samples = release?.admitted;
		const changes: StoreChange[] = [];
		if (store !== undefined) {
			const record: MessageRecord = { addedAt, envelope: encodeEnvelope(message), samples };
			const made = { place, map: map && { dims: map.dims, bytes: tensorBytes(map) } };
			changes.push({ key, value: writeRecord(place === undefined ? record : { ...record, ...made }) });
		}
		if (release !== undefined) await release.write(changes);
		else await store?.write(changes);
		const slot: Slot = { key, message, addedAt, samples, place, map, bytes, restored: false };
		this.#slots.push(slot);
		return slot;
	}

	/** How many messages as long as this one it takes, at least one. */
	capacity({ message }: OutboxEntry): number {
		return Math.max(1, Math.floor(this.#options.maxBytes / tensorBytesOf(message)));
	}

	/**
	 * Takes one message out, or every one, and returns the changes that do so in the store: write them with what the answer
	 * changed.
	 */
	clear(answered?: KeptMessage): readonly StoreChange[] {
		const gone = this.#slots.filter(({ message }) => answered === undefined || message === answered);
		for (const slot of gone) this.#slots.splice(this.#slots.indexOf(slot), 1);
		return gone.map(({ key }) => ({ key, value: undefined }));
	}

	/**
	 * Call it while an answer does not come.
	 * @throws LimitError `PSGL_OUTBOX_EXPIRED` when the message has waited too long. It stays in the outbox.
	 */
	requireFresh({ addedAt, message }: OutboxEntry): void {
		const { clock, maxAgeMs } = this.#options;
		const age = clock.now() - addedAt;
		if (age <= maxAgeMs) return;
		throw new LimitError("PSGL_OUTBOX_EXPIRED", {
			what: `a ${message.type} message has had no answer for too long`,
			got: `${Math.round(age / 1000)} s`,
			expected: `at most ${maxAgeMs / 1000} s`,
			remedy: "Training stops here and loses nothing; check the aggregator, then start the device again",
		});
	}
}

type MessageName = Pick<KeptMessage, "type" | "epoch"> & { readonly seq?: number };

function isSame(a: MessageName, b: MessageName): boolean {
	return a.type === b.type && a.epoch === b.epoch && seqOf(a) === seqOf(b);
}

function seqOf({ seq = 0 }: MessageName): number {
	return seq;
}

function tensorBytesOf(message: KeptMessage): number {
	return Object.values(("tensors" in message && message.tensors) || {}).reduce(
		(total: number, { data }) => total + data.byteLength,
		0,
	);
}
