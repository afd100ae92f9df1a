import type { StreamInfo } from "@nats-io/jetstream";
import { type Clock, systemClock } from "@psgl/sdk";
import { cloudLimits } from "../limits.js";
import type { Log, LogAppendOptions, LogEntry, LogWaitOptions } from "../log/log.js";
import { entryTooLarge, journalFull, logClosed, released } from "../log/log-errors.js";
import { Waiters } from "../log/waiters.js";
import { isPassing, isStoreFull } from "./nats-faults.js";
import type { NatsLink } from "./nats-link.js";
import { OwnerWriter } from "./owner-writer.js";
import { persist } from "./persist.js";
import { SharedOutage } from "./shared-outage.js";
import { openStream } from "./stream.js";
import { StreamReader } from "./stream-reader.js";

export interface JetStreamLogOptions {
	readonly link: NatsLink;
	/** Of the stream. */
	readonly name: string;
	/** What the log is about: SHA-256 (hex) of the artifact. A log of another run is refused. */
	readonly run: string;
	/** Copies of the stream, on as many servers. Default 1. */
	readonly replicas?: number | undefined;
	/** First entry of a new owner: from it on nobody before may write as owner. Left out, this process owns nothing. */
	readonly claim?: Uint8Array | undefined;
	/** Bytes this process may have in the log that are not released. Default 64 GiB. */
	readonly maxBytes?: number | undefined;
	/** Longest entry, bytes. Default 512 KiB. */
	readonly maxEntryBytes?: number | undefined;
	readonly clock?: Clock | undefined;
	readonly signal?: AbortSignal | undefined;
}

/**
 * Opens a log in a stream of NATS JetStream, or begins one. Several processes may append; one of them owns it.
 * @throws ConfigError `PSGL_STORE_CONFIG`, `PSGL_STORE_REFUSED`, `PSGL_JOURNAL_OTHER_RUN`; ConnectionError `PSGL_STORE_TIMEOUT`.
 */
export async function openJetStreamLog(options: JetStreamLogOptions): Promise<Log> {
	const { link, name, run, replicas = 1, claim, signal } = options;
	const subject = `psgl.${name}`;
	const info = await openStream(link, { name, replicas, run, signal });
	const log = new JetStreamLog(options, info, subject);
	if (claim !== undefined) await log.claim(claim);
	return log;
}

/** A stream is known to be the log's. A message's sequence is its position plus one. */
class JetStreamLog implements Log {
	readonly durable = true;
	readonly id: string;
	readonly #options: JetStreamLogOptions;
	readonly #link: NatsLink;
	readonly #clock: Clock;
	readonly #subject: string;
	readonly #owner: OwnerWriter;
	readonly #waiters = new Waiters();
	readonly #outage = new SharedOutage();
	readonly #closing = new AbortController();
	/** Names each append, so that one that is made twice is there once. */
	readonly #session = crypto.randomUUID();
	#appends = 0;
	#openedAt: number;
	#start: number;
	#end: number;
	/** Entries of this process that are not released, in about the order of the log. */
	#unreleased: { readonly position: number; readonly bytes: number }[] = [];
	#unreleasedBytes = 0;
	/** Appends in the order they came, so that waiting keeps it. */
	#admitted: Promise<unknown> = Promise.resolve();
	#purging: Promise<void> | undefined;

	constructor(options: JetStreamLogOptions, { created, state }: StreamInfo, subject: string) {
		this.#options = options;
		this.#link = options.link;
		this.#clock = options.clock ?? systemClock;
		this.#subject = subject;
		this.id = `${options.name} ${created}`;
		this.#start = Math.max(state.first_seq, 1) - 1;
		this.#end = state.last_seq;
		this.#openedAt = this.#end;
		this.#owner = new OwnerWriter({ link: this.#link, stream: options.name, subject: `${subject}.owner` });
	}

	get openedAt(): number {
		return this.#openedAt;
	}

	get start(): number {
		return this.#start;
	}

	get end(): number {
		return this.#end;
	}

	/** Takes the log over: what another owner writes from now on is refused. */
	async claim(entry: Uint8Array): Promise<void> {
		this.#openedAt = (await this.#owner.claim(entry)) - 1;
		this.#appended(this.#openedAt, entry.length);
	}

	append(entry: Uint8Array, { signal, asOwner = false }: LogAppendOptions = {}): Promise<number> {
		const { maxBytes = cloudLimits.journalBytes, maxEntryBytes = cloudLimits.storeEntryBytes } = this.#options;
		const admitted = this.#admitted.then(async () => {
			const most = Math.min(maxBytes, maxEntryBytes);
			if (entry.length > most) throw entryTooLarge(entry.length, most);
			while (this.#unreleasedBytes + entry.length > maxBytes && !this.#closing.signal.aborted) await this.#room(signal);
			if (this.#closing.signal.aborted) throw logClosed();
			this.#unreleasedBytes += entry.length;
			const stop = AbortSignal.any([this.#closing.signal, ...(signal ? [signal] : [])]);
			// In an object: the admission of the next entry must not wait for this one's acknowledgement.
			return { written: this.#write(entry, asOwner, stop) };
		});
		this.#admitted = admitted.catch(() => undefined);
		return admitted.then(({ written }) => written);
	}

	async *read(from: number, { signal }: LogWaitOptions = {}): AsyncGenerator<LogEntry> {
		await using reader = new StreamReader({
			link: this.#link,
			stream: this.#options.name,
			clock: this.#clock,
			closing: this.#closing.signal,
			end: () => this.#end,
		});
		for (let position = from; ; position++) {
			if (position < this.#start) throw released(position, this.#start);
			const bytes = await reader.read(position, signal);
			if (bytes === undefined) return;
			if (position >= this.#end) this.#ended(position + 1);
			yield { position, bytes };
		}
	}

	release(before: number): void {
		if (this.#closing.signal.aborted) return;
		this.#freed(Math.min(before, this.#end));
		this.#purging ??= this.#purge().finally(() => {
			this.#purging = undefined;
		});
	}

	async close(): Promise<void> {
		if (this.#closing.signal.aborted) return;
		this.#closing.abort(logClosed());
		this.#waiters.notify();
		await this.#admitted;
		// One on its way would take from the next owner what it is about to read.
		await this.#purging;
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}

	async #write(entry: Uint8Array, asOwner: boolean, stop: AbortSignal): Promise<number> {
		try {
			const sequence = asOwner ? await this.#owner.write(entry, stop) : await this.#publish(entry, stop);
			this.#appended(sequence - 1, entry.length);
			return sequence - 1;
		} catch (error) {
			this.#unreleasedBytes -= entry.length;
			this.#waiters.notify();
			throw isStoreFull(error) ? journalFull(`the store's stream ${this.#options.name}`, error) : error;
		}
	}

	async #publish(entry: Uint8Array, signal: AbortSignal): Promise<number> {
		const msgID = `${this.#session}.${this.#appends++}`;
		const options = { msgID, timeout: cloudLimits.storeCallMs };
		const what = "append to the log";
		const publish = () => this.#link.jetStream.publish(`${this.#subject}.device`, entry, options);
		const attempt = () => this.#outage.call(options, publish, isPassing);
		try {
			return (await persist(this.#link, attempt, { signal, what, clock: this.#clock })).seq;
		} finally {
			this.#outage.leave(options);
		}
	}

	#appended(position: number, bytes: number): void {
		this.#unreleased.push({ position, bytes });
		this.#ended(position + 1);
	}

	#ended(end: number): void {
		this.#end = Math.max(this.#end, end);
	}

	/** Waits for a release, here or in the process that owns the log. */
	async #room(signal: AbortSignal | undefined): Promise<void> {
		const looked = new AbortController();
		const change = this.#waiters.change(AbortSignal.any([looked.signal, ...(signal ? [signal] : [])]));
		const look = this.#clock.sleep(cloudLimits.storeCallMs, looked.signal).then(async () => {
			const { state } = await this.#link.manager.streams.info(this.#options.name);
			this.#freed(Math.max(state.first_seq, 1) - 1);
		});
		try {
			// A look that fails is made again: the link may be down.
			await Promise.race([change, look.catch(() => undefined)]);
		} finally {
			looked.abort();
			change.catch(() => undefined);
		}
	}

	#freed(start: number): void {
		if (start <= this.#start) return;
		this.#start = start;
		for (const { position, bytes } of this.#unreleased) if (position < start) this.#unreleasedBytes -= bytes;
		this.#unreleased = this.#unreleased.filter(({ position }) => position >= start);
		this.#waiters.notify();
	}

	/** Removes what is released, one call at a time. What stays after a failure goes with the next one. */
	async #purge(): Promise<void> {
		for (let done = 0; done < this.#start && !this.#link.isClosed; ) {
			done = this.#start;
			await this.#link.manager.streams.purge(this.#options.name, { seq: done + 1 }).catch(() => undefined);
		}
	}
}
