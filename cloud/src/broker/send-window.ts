import type { Clock } from "@psgl/sdk";

/**
 * Bytes on their way to one client. MQTT acknowledges packets in the order they were sent, so an acknowledgement
 * stands for the oldest (MQTT 3.1.1 section 4.6).
 */
export class SendWindow {
	readonly #maxBytes: number;
	readonly #sizes: number[];
	#bytes: number;
	#closed = false;
	#waiting: (() => void)[] = [];

	/** @param previous window of the same session's last connection: its packets are sent again. */
	constructor(maxBytes: number, previous?: SendWindow) {
		this.#maxBytes = maxBytes;
		this.#sizes = previous === undefined ? [] : [...previous.#sizes];
		this.#bytes = this.#sizes.reduce((sum, size) => sum + size, 0);
	}

	/** Resolves with true when `bytes` may be sent, false when the window closed or nothing was acknowledged in time. */
	async open(bytes: number, timeoutMs: number, clock: Clock): Promise<boolean> {
		while (!this.#closed && this.#bytes > 0 && this.#bytes + bytes > this.#maxBytes) {
			const before = this.#sizes.length;
			const late = new AbortController();
			const timeout = clock.sleep(timeoutMs, late.signal).then(
				() => "late" as const,
				() => "stopped" as const,
			);
			const freed = new Promise<void>((resolve) => this.#waiting.push(resolve));
			const first = await Promise.race([freed, timeout]);
			late.abort();
			if (first === "late" && this.#sizes.length >= before) return false;
		}
		if (this.#closed) return false;
		this.#sizes.push(bytes);
		this.#bytes += bytes;
		return true;
	}

	/** The oldest packet was acknowledged. */
	acknowledge(): void {
		this.#bytes -= this.#sizes.shift() ?? 0;
		this.#wake();
	}

	/** The client is gone: nobody waits any longer. */
	close(): void {
		this.#closed = true;
		this.#wake();
	}

	#wake(): void {
		const waiting = this.#waiting;
		this.#waiting = [];
		for (const wake of waiting) wake();
	}
}
