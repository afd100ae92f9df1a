import { LimitError, PsglError } from "../errors.js";
import type { Clock } from "../ports/clock.js";
import type { AggregatorMessage } from "./aggregator-messages.js";
import type { DeviceMessage } from "./device-messages.js";
import { type Frame, readFrame } from "./frame.js";
import type { ByteRange } from "./headers.js";
import { identityOf, type MessageIdentity, messageKey } from "./identity.js";
import { checkLayout, putTogether } from "./layout.js";
import { defaultReceiveLimits, protocolLimits, type ReceiveLimits } from "./limits.js";
import { maskFromMissing } from "./mask.js";
import type { PartialBudget, PartialHolder } from "./partial-budget.js";
import { PartialMessage } from "./partial-message.js";
import { checkSender } from "./sender.js";

/** Messages of each side. */
export interface MessagesFrom {
	readonly device: DeviceMessage;
	readonly aggregator: AggregatorMessage;
}

/** A message that came in. */
export interface Received<M> {
	readonly message: M;
	/** Parts of the body that never arrived, zeros in `message`. Only for `infer` with `allowPartial`. */
	readonly missing: readonly ByteRange[];
	/** With `missing`: for each value of `smashed`, 1 = arrived. */
	readonly mask?: Uint8Array | undefined;
}

/** A message whose chunks did not all come in time, or that had to make room. */
export interface Expired<M> {
	readonly identity: MessageIdentity;
	/** `PSGL_PROTOCOL_CHUNK_MISSING` with the missing indices; `PSGL_PROTOCOL_CROWDED`. */
	readonly error: PsglError;
	/** What arrived, where the sender allowed that. */
	readonly partial?: Received<M> | undefined;
}

export interface ChunkAssemblerOptions<From extends keyof MessagesFrom> {
	/** Side the messages come from. */
	readonly from: From;
	/** Device whose topic this is: messages that name another one are refused. */
	readonly device: string;
	readonly clock: Clock;
	/** Called when a message's next chunk has not come within `chunkTimeoutMs`. */
	readonly onExpired: (expired: Expired<MessagesFrom[From]>) => void;
	readonly limits?: ReceiveLimits | undefined;
	/** Default 30,000 ms. */
	readonly chunkTimeoutMs?: number | undefined;
	/** Of all senders together. Default: none, each sender has its own bound. */
	readonly budget?: PartialBudget | undefined;
}

/**
 * Reads the envelopes of one topic, whole messages and chunks, in any order and any number of times. One for each
 * device and direction; bounded by `protocolLimits.maxPartialMessages` and `maxPartialBytes`.
 */
export class ChunkAssembler<From extends keyof MessagesFrom> implements Disposable, PartialHolder {
	readonly #options: ChunkAssemblerOptions<From>;
	readonly #limits: ReceiveLimits;
	readonly #timeoutMs: number;
	readonly #partials = new Map<string, PartialMessage>();
	readonly #completed = new Set<string>();
	#heldBytes = 0;

	constructor(options: ChunkAssemblerOptions<From>) {
		this.#options = options;
		this.#limits = options.limits ?? defaultReceiveLimits;
		this.#timeoutMs = options.chunkTimeoutMs ?? protocolLimits.chunkTimeoutMs;
	}

	/**
	 * Reads one envelope. Returns the message it is or completes; undefined when chunks are still missing.
	 * @throws every error of `decodeEnvelope` but `PSGL_PROTOCOL_CHUNK_UNEXPECTED`; ProtocolError
	 * `PSGL_PROTOCOL_SENDER`, `PSGL_PROTOCOL_CHUNK_MISMATCH` (what had arrived of that message is dropped); LimitError
	 * `PSGL_PROTOCOL_PARTIALS`. Where the budget makes it give up a message, `onExpired` tells.
	 */
	accept(bytes: Uint8Array): Received<MessagesFrom[From]> | undefined {
		const frame = readFrame(bytes, this.#limits);
		checkSender(frame.header, this.#options.from, this.#options.device);
		if (frame.header.chunk === undefined) return this.#received(frame);
		const key = messageKey(frame.header);
		const partial = this.#partials.get(key) ?? this.#open(key, frame);
		const before = partial.heldBytes;
		try {
			partial.add(frame);
		} catch (error) {
			this.#drop(key);
			throw error;
		}
		partial.deadline = this.#options.clock.now() + this.#timeoutMs;
		const arrived = partial.heldBytes - before;
		this.#heldBytes += arrived;
		if (!partial.complete) {
			this.#options.budget?.add(this, arrived);
			return undefined;
		}
		this.#drop(key, arrived);
		const whole = { header: partial.header, body: partial.body() };
		partial.checkWhole(whole.body);
		const received = this.#received(whole);
		this.#remember(`${key}:${partial.crc}`);
		return received;
	}

	/** Bytes of incomplete messages that have arrived. */
	get heldBytes(): number {
		return this.#heldBytes;
	}

	/** Gives up the incomplete message that takes the most, because all senders together hold too much. */
	giveUp(): void {
		const largest = [...this.#partials].reduce((most, each) => (each[1].heldBytes > most[1].heldBytes ? each : most));
		const [key, partial] = largest;
		this.#drop(key);
		if (!partial.repeated) this.#options.onExpired({ identity: identityOf(partial.header), error: crowded(partial) });
	}

	/** Messages that are incomplete. */
	get incomplete(): number {
		return this.#partials.size;
	}

	/** Forgets all incomplete messages, for instance because the sender has restarted. */
	clear(): void {
		for (const key of [...this.#partials.keys()]) this.#drop(key);
	}

	[Symbol.dispose](): void {
		this.clear();
	}

	#received(frame: Frame, missing: readonly ByteRange[] = []): Received<MessagesFrom[From]> {
		const message = putTogether(frame.header, frame.body) as MessagesFrom[From];
		const smashed = frame.header.tensors?.find((d) => d.name === "smashed");
		const mask = missing.length > 0 && smashed ? maskFromMissing(smashed, missing) : undefined;
		return { message, missing, mask };
	}

	#open(key: string, frame: Frame): PartialMessage {
		const partial = new PartialMessage(frame);
		checkLayout(partial.header, partial.total);
		// A chunk of a completed message delivered again. The whole message may come again too, to ask for its answer.
		partial.repeated = this.#completed.has(`${key}:${partial.crc}`);
		this.#makeRoom(partial);
		this.#partials.set(key, partial);
		partial.deadline = this.#options.clock.now() + this.#timeoutMs;
		void this.#watch(key, partial);
		return partial;
	}

	#makeRoom(partial: PartialMessage): void {
		const full = () => {
			let bytes = partial.total;
			for (const other of this.#partials.values()) bytes += other.total;
			return this.#partials.size >= protocolLimits.maxPartialMessages || bytes > protocolLimits.maxPartialBytes;
		};
		for (const [key, other] of this.#partials) {
			if (full() && other.repeated) this.#drop(key);
		}
		if (!full()) return;
		throw new LimitError("PSGL_PROTOCOL_PARTIALS", {
			what: "too many incomplete messages from one sender",
			got: `${this.#partials.size} incomplete messages and one of ${partial.total} bytes`,
			expected: `at most ${protocolLimits.maxPartialMessages} with ${protocolLimits.maxPartialBytes} bytes together`,
			remedy: "Send the chunks of one message before those of the next",
		});
	}

	async #watch(key: string, partial: PartialMessage): Promise<void> {
		const { clock } = this.#options;
		const { signal } = partial.dropped;
		try {
			for (let left = this.#timeoutMs; left > 0; left = partial.deadline - clock.now()) await clock.sleep(left, signal);
		} catch {
			return; // dropped: complete, inconsistent or cleared
		}
		if (signal.aborted) return;
		this.#drop(key);
		if (!partial.repeated) this.#options.onExpired(this.#expire(partial));
	}

	#expire(partial: PartialMessage): Expired<MessagesFrom[From]> {
		const { header } = partial;
		const identity = identityOf(header);
		const error = partial.missingError(this.#timeoutMs);
		if (header.type !== "infer" || !header.allowPartial) return { identity, error };
		try {
			return { identity, error, partial: this.#received({ header, body: partial.body() }, partial.missing()) };
		} catch (cause) {
			if (!(cause instanceof PsglError)) throw cause;
			return { identity, error: cause };
		}
	}

	/** @param uncounted bytes the budget does not know of yet */
	#drop(key: string, uncounted = 0): void {
		const partial = this.#partials.get(key);
		if (partial === undefined) return;
		partial.dropped.abort();
		this.#partials.delete(key);
		this.#heldBytes -= partial.heldBytes;
		this.#options.budget?.release(this, partial.heldBytes - uncounted);
	}

	#remember(key: string): void {
		this.#completed.delete(key);
		this.#completed.add(key);
		const [oldest] = this.#completed;
		if (this.#completed.size > protocolLimits.completedMemory && oldest !== undefined) this.#completed.delete(oldest);
	}
}

/** A message that had to make room; sent again it may fit. */
function crowded({ header, heldBytes }: PartialMessage): LimitError {
	return new LimitError("PSGL_PROTOCOL_CROWDED", {
		what: `an incomplete ${header.type} message was given up: those of all senders together took too much room`,
		got: `${heldBytes} bytes of it had arrived`,
		remedy: "Send the whole message again, its chunks one after the other",
	});
}
