import { type Clock, systemClock } from "@psgl/sdk";
import { cloudLimits } from "../limits.js";
import { logClosed } from "../log/log-errors.js";
import { isPassing } from "./nats-faults.js";
import type { NatsLink } from "./nats-link.js";
import { storeTimeout } from "./store-errors.js";

export interface PersistOptions {
	readonly signal?: AbortSignal | undefined;
	/** Milliseconds after which it gives up. Default: never. */
	readonly timeoutMs?: number | undefined;
	readonly clock?: Clock | undefined;
	/** For the error that says it gave up. */
	readonly what: string;
}

/**
 * Calls the store until it answers: over broken links, elections and restarts of its servers. The call must be one that may be made twice.
 * @throws what is not passing; ConnectionError `PSGL_STORE_TIMEOUT`, `PSGL_LOG_CLOSED`.
 */
export async function persist<T>(link: NatsLink, call: () => Promise<T>, options: PersistOptions): Promise<T> {
	const { signal, timeoutMs = Number.POSITIVE_INFINITY, clock = systemClock, what } = options;
	const deadline = performance.now() + timeoutMs;
	const late = timeoutMs === Number.POSITIVE_INFINITY ? undefined : AbortSignal.timeout(timeoutMs);
	const stop = late === undefined ? signal : AbortSignal.any([late, ...(signal ? [signal] : [])]);
	for (;;) {
		try {
			await link.ready(stop);
			return await link.call(call);
		} catch (error) {
			signal?.throwIfAborted();
			if (late?.aborted || performance.now() > deadline) throw storeTimeout(what, timeoutMs, error);
			if (link.isClosed) throw logClosed();
			if (!isPassing(error)) throw error;
			link.troubled();
		}
		await clock.sleep(cloudLimits.storeRetryMs, stop).catch(() => undefined);
	}
}
