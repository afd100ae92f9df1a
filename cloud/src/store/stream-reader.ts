import { AckPolicy, type Consumer, type ConsumerMessages, DeliverPolicy } from "@nats-io/jetstream";
import type { Clock } from "@psgl/sdk";
import { cloudLimits } from "../limits.js";
import { logClosed, released } from "../log/log-errors.js";
import type { NatsLink } from "./nats-link.js";
import { persist } from "./persist.js";

export interface StreamReaderOptions {
	readonly link: NatsLink;
	readonly stream: string;
	readonly clock: Clock;
	/** Aborts when the log is closed: what is there can still be read, nothing is waited for. */
	readonly closing: AbortSignal;
	/** Known end of the log, a position. */
	readonly end: () => number;
}

interface Message {
	readonly seq: number;
	readonly data: Uint8Array;
}

/** Milliseconds one pull waits for messages, the least the client allows; a consumer that is gone with its server shows at its end. */
const pullMs = 1_000;

/** Milliseconds between two looks for a message where there is no consumer. */
const lookMs = 50;

/** Messages of one pull: the client asks for no more where bytes are bounded, and does not tell that all have come. */
const pullMessages = 100;

/**
 * Reads a stream's messages in order. The first one is asked for by itself; who goes on gets a pull consumer with a bounded
 * number of bytes in flight, made anew where the stream's servers lost it. Until it is there messages are asked for one by one: to make a
 * consumer takes the leader of the whole cluster, whose election may last seconds longer than that of the stream's own.
 */
export class StreamReader implements AsyncDisposable {
	readonly #options: StreamReaderOptions;
	#next: number | undefined;
	#consumer: Consumer | undefined;
	/** While one is made. */
	#making: Promise<void> | undefined;
	#pull: ConsumerMessages | undefined;
	/** Messages it gave. */
	#pulled = 0;
	#messages: AsyncIterator<Message> | undefined;

	constructor(options: StreamReaderOptions) {
		this.#options = options;
	}

	/** The entry at a position; undefined when the log was closed before it came. @throws ConnectionError `PSGL_LOG_CLOSED` when the link was. */
	async read(position: number, signal: AbortSignal | undefined): Promise<Uint8Array | undefined> {
		const { closing, end } = this.#options;
		const stop = AbortSignal.any([closing, ...(signal ? [signal] : [])]);
		if (this.#next !== position && position < end()) return this.#alone(position, signal);
		for (;;) {
			signal?.throwIfAborted();
			if (closing.aborted && position >= end()) return undefined;
			const message = await this.#following(position, position < end() ? signal : stop);
			if (message === undefined) continue;
			if (message.seq < position + 1) continue;
			// What was on its way when a connection broke is lost to this consumer.
			if (message.seq > position + 1) return this.#alone(position, signal);
			this.#next = position + 1;
			return message.data;
		}
	}

	async [Symbol.asyncDispose](): Promise<void> {
		const consumer = this.#consumer;
		this.#drop();
		// One that stays is removed by the server after a while.
		if (!this.#options.link.isClosed) void consumer?.delete().catch(() => undefined);
	}

	/** One message by itself; whoever goes on gets a new consumer. @throws DataError `PSGL_LOG_RELEASED`. */
	async #alone(position: number, signal: AbortSignal | undefined): Promise<Uint8Array> {
		const { link, stream, clock } = this.#options;
		const look = () => link.manager.streams.getMessage(stream, { seq: position + 1 });
		const message = await persist(link, look, { signal, clock, what: "read the log" });
		if (message === null) throw released(position, position + 1);
		this.#drop();
		this.#next = position + 1;
		return message.data;
	}

	/** The next message; undefined when this pull has none any more. */
	async #following(position: number, stop: AbortSignal | undefined): Promise<Message | undefined> {
		const { link, clock } = this.#options;
		try {
			if (this.#consumer === undefined) {
				const found = await this.#meanwhile(position, stop);
				if (found !== undefined) return found;
			}
			if (this.#messages === undefined) await this.#begin(stop);
			const onStop = () => this.#pull?.stop();
			stop?.addEventListener("abort", onStop, { once: true });
			try {
				if (stop?.aborted) return undefined;
				const { done, value } = (await this.#messages?.next()) ?? { done: true, value: undefined };
				if (done || ++this.#pulled === pullMessages) this.#endPull();
				return value;
			} finally {
				stop?.removeEventListener("abort", onStop);
			}
		} catch {
			if (stop?.aborted) return undefined;
			if (link.isClosed) throw logClosed();
			// The consumer is gone with its server; the next one starts where this one ended.
			this.#drop();
			await clock.sleep(cloudLimits.storeRetryMs, stop).catch(() => undefined);
		}
		return undefined;
	}

	/** The next message, if it comes before there is a consumer. */
	async #meanwhile(position: number, stop: AbortSignal | undefined): Promise<Message | undefined> {
		const { link, stream, clock } = this.#options;
		const look = () => link.manager.streams.getMessage(stream, { seq: position + 1 });
		while (this.#consumer === undefined) {
			await link.ready(stop);
			stop?.throwIfAborted();
			this.#making ??= this.#make(position, stop)
				.catch(() => clock.sleep(cloudLimits.storeRetryMs, stop).catch(() => undefined))
				.finally(() => {
					this.#making = undefined;
				});
			const message = await link.call(look).catch(() => null);
			if (message !== null) return message;
			await Promise.race([this.#making, clock.sleep(lookMs, stop)]);
		}
		return undefined;
	}

	async #make(position: number, signal: AbortSignal | undefined): Promise<void> {
		const { link, stream, clock } = this.#options;
		const name = `reader-${crypto.randomUUID()}`;
		const config = {
			name,
			ack_policy: AckPolicy.None,
			deliver_policy: DeliverPolicy.StartSequence,
			opt_start_seq: position + 1,
			inactive_threshold: 60_000 * 1e6,
			mem_storage: true,
			num_replicas: 1,
		};
		const add = () => link.manager.consumers.add(stream, config);
		await persist(link, add, { signal, clock, what: "read the log" });
		this.#consumer = await link.jetStream.consumers.get(stream, name);
	}

	async #begin(signal: AbortSignal | undefined): Promise<void> {
		const { link } = this.#options;
		// On a connection that was closed a pull is over at once, again and again.
		await link.ready(signal);
		const pull = await (this.#consumer as Consumer).fetch({ max_bytes: cloudLimits.storeReadBytes, expires: pullMs });
		this.#pull = pull;
		this.#pulled = 0;
		this.#messages = pull[Symbol.asyncIterator]();
	}

	#endPull(): void {
		this.#pull?.stop();
		this.#pull = undefined;
		this.#messages = undefined;
	}

	#drop(): void {
		this.#endPull();
		this.#consumer = undefined;
	}
}
