import type { Random } from "@psgl/sdk";
import type { LinkModel } from "../scenario/link-models.js";

/** What carrying a message over a link comes to. */
export interface Transfer {
	/** Virtual time at which its last byte arrives. */
	readonly arrivesAt: number;
	/** Milliseconds the radio is busy with it. */
	readonly airtimeMs: number;
	/** With packet headers and what was sent twice. */
	readonly wireBytes: number;
}

/** Payload of a TCP segment on most paths (RFC 9293 section 3.7.1, with an MTU of 1500 and options), and headers of IP and TCP. */
const segmentBytes = 1400;
const headerBytes = 52;

/** TCP's least timeout before a lost segment is sent again where no later one tells of the loss (Linux, TCP_RTO_MIN). */
const leastTimeoutMs = 200;

/** One device's link in virtual time: messages of one direction follow each other, lost packets cost time and are sent again. */
export class VirtualLink {
	readonly #model: LinkModel;
	readonly #random: Random;
	readonly #phase: number;
	#upBusyUntil = 0;
	#downBusyUntil = 0;

	constructor(model: LinkModel, random: Random) {
		this.#model = model;
		this.#random = random;
		this.#phase = model.duty === undefined ? 0 : random.uniform() * model.duty.periodMs;
	}

	/** Whether the link is there. */
	isUp(now: number): boolean {
		return this.#untilDown(now) > 0;
	}

	/** Time at which the link is there again; `now` when it is. */
	nextUp(now: number): number {
		const { duty } = this.#model;
		if (duty === undefined || this.isUp(now)) return now;
		return now + duty.periodMs - this.#inPeriod(now, duty.periodMs);
	}

	/** Time at which the link goes away, undefined when it stays. */
	endsAt(now: number): number | undefined {
		return this.#model.duty === undefined ? undefined : now + this.#untilDown(now);
	}

	/** Carries `bytes`. A message that is not through when the link goes away is not delivered: its sender has to look. */
	transfer(now: number, bytes: number, direction: "up" | "down"): Transfer {
		const { upBitsPerSecond, downBitsPerSecond, latencyMs, jitterMs, loss } = this.#model;
		const packets = Math.ceil(bytes / segmentBytes);
		// The expected number, with chance only in the part of a packet: the same mean with one draw.
		const lost = Math.floor(packets * loss + this.#random.uniform());
		const wireBytes = bytes + headerBytes * (packets + lost) + Math.min(lost, packets) * Math.min(bytes, segmentBytes);
		const rate = direction === "up" ? upBitsPerSecond : downBitsPerSecond;
		const airtimeMs = (8000 * wireBytes) / rate;
		const jitter = -jitterMs * Math.log(1 - this.#random.uniform());
		const wait = lost === 0 ? 0 : packets > 3 ? 2 * latencyMs : Math.max(leastTimeoutMs, 2 * latencyMs);
		const from = Math.max(now, direction === "up" ? this.#upBusyUntil : this.#downBusyUntil);
		const sentAt = from + airtimeMs;
		if (direction === "up") this.#upBusyUntil = sentAt;
		else this.#downBusyUntil = sentAt;
		return { arrivesAt: sentAt + latencyMs + jitter + wait, airtimeMs, wireBytes };
	}

	/** Milliseconds a connection and its handshake take: TCP, and MQTT's CONNECT, each a round trip. */
	handshakeMs(): number {
		const { latencyMs, jitterMs } = this.#model;
		return 4 * latencyMs - 2 * jitterMs * Math.log(1 - this.#random.uniform());
	}

	/** A new connection: nothing of the one before is on its way. */
	reset(now: number): void {
		this.#upBusyUntil = now;
		this.#downBusyUntil = now;
	}

	#untilDown(now: number): number {
		const { duty } = this.#model;
		return duty === undefined ? Number.POSITIVE_INFINITY : duty.upMs - this.#inPeriod(now, duty.periodMs);
	}

	#inPeriod(now: number, periodMs: number): number {
		return (now + this.#phase) % periodMs;
	}
}
