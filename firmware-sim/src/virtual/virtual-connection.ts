import { backOffMs, deviceTimes } from "@psgl/sdk";
import type { FleetDevice } from "../scenario/expand-fleet.js";
import { type LinkModel, linkModels } from "../scenario/link-models.js";
import type { EnergyMeter } from "./energy-meter.js";
import type { Scheduled } from "./event-queue.js";
import type { GroupTotals } from "./fleet-recorder.js";
import type { DownlinkMessage, Endpoint, UplinkMessage } from "./virtual-cloud.js";
import { VirtualLink } from "./virtual-link.js";
import type { VirtualWorld } from "./virtual-world.js";

/** Milliseconds after which both ends notice that a link without traffic is gone (MQTT 3.1.1 section 3.1.2.10). */
export const lostAfterMs = 1500 * deviceTimes.keepAliveSeconds;

/** A ping and its answer with the headers of TCP and IP, one way. */
const pingBytes = 54;

/** Failures after which the delay between attempts no longer grows. */
const manyFailures = 8;

export interface ConnectionHandler {
	onOpen(): void;
	onMessage(message: DownlinkMessage): Promise<void> | void;
}

/**
 * A device's connection in virtual time: attempts with the transport's own back-off, messages over the link, and the one message
 * that the broker has not acknowledged, which goes out again on the next connection. Pings, and the questions of a device that waits
 * for its next round, are counted by their number in the time, not one by one.
 */
export class VirtualConnection implements Endpoint {
	readonly id: string;
	readonly address: string;
	readonly #world: VirtualWorld;
	readonly #device: FleetDevice;
	readonly #model: LinkModel;
	readonly #link: VirtualLink;
	readonly #energy: EnergyMeter;
	readonly #totals: GroupTotals;
	readonly #handler: ConnectionHandler;
	/** Tells the connections apart: what was on its way on another one is lost. */
	#number = 0;
	#open = false;
	#openedAt = 0;
	#lostAt = Number.NEGATIVE_INFINITY;
	#failures = 0;
	#attempt: Scheduled | undefined;
	#linkEnd: Scheduled | undefined;
	#unacknowledged: UplinkMessage | undefined;
	#waitingSince: number | undefined;
	#closed: (() => void)[] = [];

	constructor(
		world: VirtualWorld,
		device: FleetDevice,
		energy: EnergyMeter,
		totals: GroupTotals,
		handler: ConnectionHandler,
	) {
		this.#world = world;
		this.#device = device;
		this.id = device.id;
		this.address = device.address;
		this.#model = linkModels[device.group.link];
		this.#link = new VirtualLink(this.#model, device.random.fork("link"));
		this.#energy = energy;
		this.#totals = totals;
		this.#handler = handler;
	}

	/** Number of the present connection, or of the gap after it. */
	get number(): number {
		return this.#number;
	}

	/** Calls `closed` when the present connection ends, before anything else does. */
	onceClosed(closed: () => void): void {
		this.#closed.push(closed);
	}

	get isOpen(): boolean {
		return this.#open;
	}

	/** Milliseconds the device has been without a connection; 0 while it has one. */
	goneFor(now: number): number {
		return this.#open ? 0 : now - this.#lostAt;
	}

	/** The device runs: connects, and keeps on trying. */
	start(): void {
		this.#failures = 0;
		this.#try(0);
	}

	/** The device does not run any more. @param inOrder the broker is told */
	stop(inOrder: boolean): void {
		this.#attempt?.cancel();
		this.#unacknowledged = undefined;
		if (this.#open) this.#close(inOrder);
	}

	/** A message leaves the device. @param kept it takes effect on the aggregator: sent again until the broker has it */
	send(message: UplinkMessage, kept: boolean): void {
		if (kept) this.#unacknowledged = message;
		if (!this.#open) return;
		const { queue, cloud, sizes } = this.#world;
		const { arrivesAt, airtimeMs, wireBytes } = this.#link.transfer(queue.now, sizes.of(message), "up");
		this.#totals.bytesUp += wireBytes;
		this.#energy.transmit(airtimeMs, this.#model.radioWatts);
		const number = this.#number;
		queue.at(arrivesAt, () => {
			if (number !== this.#number) return;
			cloud.receive(message);
			if (!kept) return;
			queue.after(this.#model.latencyMs, () => {
				if (number === this.#number && this.#unacknowledged === message) this.#unacknowledged = undefined;
			});
		});
	}

	/** Bytes that left the device in a way of their own. */
	counted(bytes: number): void {
		this.#totals.bytesUp += bytes;
	}

	/** What was sent needs no acknowledgement any more: it has its answer. */
	settled(): void {
		this.#unacknowledged = undefined;
	}

	deliver(message: DownlinkMessage): void {
		if (!this.#open) return;
		const { queue, sizes } = this.#world;
		const { arrivesAt, airtimeMs, wireBytes } = this.#link.transfer(queue.now, sizes.of(message), "down");
		this.#totals.bytesDown += wireBytes;
		this.#energy.transmit(airtimeMs, this.#model.radioWatts);
		const number = this.#number;
		queue.at(arrivesAt, () => {
			return number === this.#number ? this.#handler.onMessage(message) : undefined;
		});
	}

	dropped(): void {
		if (!this.#open) return;
		this.#close(true);
		this.#retry();
	}

	/** The device waits for its next round, or no longer. */
	waits(waiting: boolean): void {
		this.#settlePolls();
		this.#waitingSince = waiting && this.#open ? this.#world.queue.now : undefined;
	}

	/** Counts what an open connection has come to so far. */
	settle(): void {
		if (!this.#open) return;
		const { now } = this.#world.queue;
		this.#settlePolls();
		const ms = now - this.#openedAt;
		this.#openedAt = now;
		this.#totals.onlineMs += ms;
		const pings = (ms / (1000 * deviceTimes.keepAliveSeconds)) * pingBytes;
		this.#totals.bytesUp += pings;
		this.#totals.bytesDown += pings;
	}

	/** Bytes a download gets through between two times on this link, at most. */
	downloadBytes(fromMs: number, toMs: number): number {
		return ((toMs - fromMs) * this.#model.downBitsPerSecond) / 8000;
	}

	#try(failures: number): void {
		const { queue } = this.#world;
		const up = this.#link.nextUp(queue.now);
		// While the link is away attempts fail; the first one after it came back is what the longest delay makes of it.
		const tried = up > queue.now ? manyFailures : failures;
		const wait = tried === 0 ? 0 : backOffMs(tried, this.#device.random);
		this.#attempt = queue.at(up + wait, () => {
			if (!this.#link.isUp(queue.now)) return this.#try(manyFailures);
			this.#attempt = queue.after(this.#link.handshakeMs(), () => this.#opened());
		});
	}

	#retry(): void {
		this.#failures++;
		this.#try(this.#failures);
	}

	#opened(): void {
		const { queue, cloud, recorder } = this.#world;
		if (!this.#link.isUp(queue.now)) {
			this.#retry();
			return;
		}
		if (!cloud.connect(this)) {
			recorder.refusedConnections++;
			this.#retry();
			return;
		}
		if (this.#lostAt > Number.NEGATIVE_INFINITY) recorder.reconnects++;
		this.#failures = 0;
		this.#open = true;
		this.#openedAt = queue.now;
		this.#number++;
		recorder.online++;
		this.#link.reset(queue.now);
		const endsAt = this.#link.endsAt(queue.now);
		this.#linkEnd = endsAt === undefined ? undefined : queue.at(endsAt, () => this.#linkLost());
		const unacknowledged = this.#unacknowledged;
		this.#handler.onOpen();
		if (unacknowledged !== undefined) this.send(unacknowledged, true);
	}

	#linkLost(): void {
		this.#close(false);
		// The device takes the link for open until nothing has come for a while.
		this.#attempt = this.#world.queue.after(lostAfterMs, () => this.#retry());
	}

	#close(noticed: boolean): void {
		const { queue, cloud, recorder } = this.#world;
		this.settle();
		for (const closed of this.#closed.splice(0)) closed();
		this.#waitingSince = undefined;
		this.#linkEnd?.cancel();
		this.#open = false;
		this.#number++;
		this.#lostAt = queue.now;
		recorder.online--;
		const number = this.#number;
		if (noticed) cloud.disconnect(this);
		else {
			queue.after(lostAfterMs, () => {
				if (number === this.#number) cloud.disconnect(this);
			});
		}
	}

	#settlePolls(): void {
		if (this.#waitingSince === undefined) return;
		const { queue, sizes } = this.#world;
		const longest = deviceTimes.answerTimeoutMs * deviceTimes.maxPatience;
		this.#totals.bytesUp += ((queue.now - this.#waitingSince) / longest) * sizes.poll;
		this.#waitingSince = queue.now;
	}
}
