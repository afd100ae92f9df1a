import { ConnectionError } from "../errors.js";
import type { Clock } from "../ports/clock.js";
import type { Random } from "../ports/random.js";
import type {
	MessageHandler,
	PublishOptions,
	Transport,
	TransportEvent,
	TransportMessage,
	WaitOptions,
} from "../ports/transport.js";
import { backOffMs } from "./back-off.js";
import { deferred } from "./deferred.js";
import type { Link, OpenLink } from "./link.js";
import { type Outgoing, SendQueue } from "./send-queue.js";
import { matchesFilter } from "./topic-filter.js";

/** Options every transport has. */
export interface ReconnectOptions {
	readonly clock: Clock;
	/** Jitter of the delays between attempts. */
	readonly random: Random;
	/** Milliseconds after which the first `connect` gives up. Default: never. */
	readonly connectDeadlineMs?: number | undefined;
}

interface Subscription {
	readonly handler: MessageHandler;
	/** The broker has acknowledged it in the present session. */
	granted: boolean;
}

/**
 * A transport over links that come and go: reconnects with full-jitter back-off, makes subscriptions again when the
 * broker has forgotten them, and sends what is not acknowledged again, in order.
 */
export class ReconnectingTransport implements Transport {
	readonly #open: OpenLink;
	readonly #target: string;
	readonly #options: ReconnectOptions;
	readonly #listeners = new Set<(event: TransportEvent) => void>();
	readonly #subscriptions = new Map<string, Subscription>();
	readonly #queue = new SendQueue();
	readonly #closing = new AbortController();
	readonly #firstLink = deferred<void>();
	#state: Transport["state"] = "new";
	#link: Link | undefined;
	#handling: Promise<void> = Promise.resolve();
	#lastFailure: unknown;

	/** @param target what is connected to, for messages */
	constructor(target: string, open: OpenLink, options: ReconnectOptions) {
		this.#target = target;
		this.#open = open;
		this.#options = options;
		// A failure nobody waits for yet is no crash: connect() hands it on.
		this.#firstLink.promise.catch(() => {});
	}

	get state(): Transport["state"] {
		return this.#state;
	}

	async connect({ signal }: WaitOptions = {}): Promise<void> {
		signal?.throwIfAborted();
		if (this.#state === "new") {
			this.#state = "connecting";
			void this.#keepConnected();
			void this.#watchDeadline();
		}
		const abort = () => this.#fail(signal?.reason);
		signal?.addEventListener("abort", abort, { once: true });
		try {
			await this.#firstLink.promise;
		} finally {
			signal?.removeEventListener("abort", abort);
		}
		if (this.#state === "closed") throw closedError();
	}

	async publish(topic: string, payload: Uint8Array, { retain = false, signal }: PublishOptions = {}): Promise<void> {
		signal?.throwIfAborted();
		if (this.#state === "closed") throw closedError();
		const { promise, resolve, reject } = deferred<void>();
		const entry: Outgoing = { topic, payload, retain, resolve, reject };
		this.#queue.add(entry);
		const abort = () => {
			if (this.#queue.remove(entry)) reject(signal?.reason);
		};
		signal?.addEventListener("abort", abort, { once: true });
		if (this.#link !== undefined) void this.#send(entry, this.#link);
		try {
			await promise;
		} finally {
			signal?.removeEventListener("abort", abort);
		}
	}

	async subscribe(filter: string, handler: MessageHandler, { signal }: WaitOptions = {}): Promise<void> {
		signal?.throwIfAborted();
		if (this.#state === "closed") throw closedError();
		const subscription: Subscription = { handler, granted: false };
		this.#subscriptions.set(filter, subscription);
		const link = this.#link;
		if (link === undefined) return;
		try {
			await link.subscribe(filter);
			subscription.granted = true;
		} catch (error) {
			// When the link was lost meanwhile, the next one makes the subscription.
			if (!isRefusal(error)) return;
			this.#subscriptions.delete(filter);
			throw error;
		}
	}

	on(listener: (event: TransportEvent) => void): () => void {
		this.#listeners.add(listener);
		return () => this.#listeners.delete(listener);
	}

	async close(): Promise<void> {
		const link = this.#link;
		this.#fail(closedError());
		await link?.close();
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}

	/** Ends everything that waits, with `error`. */
	#fail(error: unknown): void {
		if (this.#state === "closed") return;
		this.#state = "closed";
		this.#link = undefined;
		this.#closing.abort(error);
		this.#firstLink.reject(error);
		for (const entry of this.#queue) {
			this.#queue.remove(entry);
			entry.reject(closedError());
		}
	}

	async #keepConnected(): Promise<void> {
		const { clock, random } = this.#options;
		const { signal } = this.#closing;
		for (let failures = 0; !signal.aborted; ) {
			try {
				const reason = await this.#useOneLink(signal);
				failures = 0;
				if (signal.aborted) return;
				this.#state = "offline";
				this.#emit({ type: "offline", reason });
				this.#lastFailure = reason;
			} catch (error) {
				if (signal.aborted) return;
				if (this.#state === "connecting" && isRefusal(error)) return this.#fail(error);
				this.#lastFailure = error;
			}
			failures++;
			const delayMs = backOffMs(failures, random);
			const reason = this.#lastFailure instanceof Error ? this.#lastFailure.message : String(this.#lastFailure);
			this.#emit({ type: "retry", attempt: failures, delayMs, reason });
			await clock.sleep(delayMs, signal).catch(() => {});
		}
	}

	/** Opens a link and uses it until it is lost; returns why it was. */
	async #useOneLink(signal: AbortSignal): Promise<string> {
		const lost = deferred<string>();
		let up = true;
		const events = {
			message: (topic: string, payload: Uint8Array, retained: boolean) => this.#receive({ topic, payload, retained }),
			lost: (reason: string) => {
				up = false;
				this.#link = undefined;
				lost.resolve(reason);
			},
		};
		const link = await this.#open(events, signal);
		try {
			for (const [filter, subscription] of this.#subscriptions) {
				if (link.sessionPresent && subscription.granted) continue;
				await link.subscribe(filter);
				subscription.granted = true;
			}
			signal.throwIfAborted();
			if (!up) throw new Error(await lost.promise);
		} catch (error) {
			await link.close();
			throw error;
		}
		this.#link = link;
		this.#state = "online";
		for (const entry of this.#queue) void this.#send(entry, link);
		this.#emit({ type: "online", sessionPresent: link.sessionPresent });
		this.#firstLink.resolve();
		return lost.promise;
	}

	async #send(entry: Outgoing, link: Link): Promise<void> {
		try {
			await link.publish(entry.topic, entry.payload, entry.retain);
		} catch (error) {
			// When the link was lost, the entry stays and the next link sends it.
			if (link === this.#link && this.#queue.remove(entry)) entry.reject(error);
			return;
		}
		if (this.#queue.remove(entry)) entry.resolve();
	}

	#receive(message: TransportMessage): void {
		this.#handling = this.#handling.then(() => this.#handle(message));
	}

	async #handle(message: TransportMessage): Promise<void> {
		for (const [filter, { handler }] of this.#subscriptions) {
			if (this.#state === "closed" || !matchesFilter(filter, message.topic)) continue;
			try {
				await handler(message);
			} catch (error) {
				this.#emit({ type: "handler-failed", topic: message.topic, error });
			}
		}
	}

	async #watchDeadline(): Promise<void> {
		const { clock, connectDeadlineMs } = this.#options;
		if (connectDeadlineMs === undefined) return;
		const settled = new AbortController();
		const stop = () => settled.abort();
		this.#firstLink.promise.then(stop, stop);
		try {
			await clock.sleep(connectDeadlineMs, settled.signal);
		} catch {
			return;
		}
		const cause = this.#lastFailure;
		// The last attempt knows more of what to do.
		const { got, remedy } = cause instanceof ConnectionError ? cause : { got: undefined, remedy: undefined };
		this.#fail(
			new ConnectionError("PSGL_BROKER_UNREACHABLE", {
				what: `no connection to ${this.#target} within ${connectDeadlineMs} ms`,
				got: got ?? (cause instanceof Error ? cause.message : undefined),
				remedy: remedy ?? "Check that the broker runs, its address and port, and the way to it",
				cause,
			}),
		);
	}

	#emit(event: TransportEvent): void {
		for (const listener of this.#listeners) listener(event);
	}
}

function isRefusal(error: unknown): boolean {
	return (
		error instanceof ConnectionError &&
		(error.code === "PSGL_BROKER_REFUSED" || error.code === "PSGL_SUBSCRIBE_REFUSED")
	);
}

function closedError(): ConnectionError {
	return new ConnectionError("PSGL_TRANSPORT_CLOSED", {
		what: "the transport is closed",
		remedy: "Open a new transport",
	});
}
