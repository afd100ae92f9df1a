import { setMaxListeners } from "node:events";
import type { Socket } from "node:net";
import type { Clock, Random } from "@psgl/sdk";
import { LinkServer } from "../chaos/link-server.js";
import type { LinkModel } from "../scenario/link-models.js";
import { VirtualLink } from "../virtual/virtual-link.js";

export interface ShapedLinkOptions {
	/** The broker's port on this machine. */
	readonly port: number;
	readonly model: LinkModel;
	readonly random: Random;
	readonly clock: Clock;
	/** Scenario milliseconds in one of the clock's: passes of a satellite come so much faster. */
	readonly compression: number;
	/** Called with the bytes of each direction on the wire. */
	readonly onBytes: (direction: "up" | "down", wireBytes: number) => void;
}

/** Bytes on their way in one direction from which its sender has to wait. */
const maxInFlightBytes = 256 * 1024;

/**
 * A TCP link between one device and the broker that is as slow as its model says: rate, latency, jitter, and the time that lost
 * packets cost, worked out by the same `VirtualLink` as in virtual time. Where the model has passes, connections go dead at the end of one:
 * nothing gets through, and both ends take them for open.
 */
export class ShapedLink implements AsyncDisposable {
	readonly #options: ShapedLinkOptions;
	readonly #server: LinkServer;
	readonly #link: VirtualLink;
	readonly #closing = new AbortController();
	/** Connections of before are dead. */
	#generation = 0;

	private constructor(options: ShapedLinkOptions) {
		const { model, random, compression } = options;
		const { duty } = model;
		const passes = duty && { upMs: duty.upMs / compression, periodMs: duty.periodMs / compression };
		this.#options = options;
		setMaxListeners(0, this.#closing.signal);
		this.#link = new VirtualLink({ ...model, duty: passes }, random);
		this.#server = new LinkServer(options.port, (client) => this.#join(client));
	}

	static async start(options: ShapedLinkOptions): Promise<ShapedLink> {
		const link = new ShapedLink(options);
		await link.#server.listen();
		void link.#endPasses();
		return link;
	}

	/** Where the device connects. */
	get url(): string {
		return this.#server.url;
	}

	/** Nothing gets through connections of before any more; nobody is told. */
	kill(): void {
		this.#generation++;
	}

	async close(): Promise<void> {
		this.#closing.abort();
		await this.#server.close();
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}

	#join(device: Socket): void {
		const { clock } = this.#options;
		if (!this.#link.isUp(clock.now())) {
			device.destroy();
			return;
		}
		const broker = this.#server.dial();
		const generation = this.#generation;
		const end = () => {
			device.destroy();
			// The broker does not notice that a dead connection ended.
			if (generation === this.#generation) broker.destroy();
		};
		for (const socket of [device, broker]) socket.on("close", end);
		this.#carry(device, broker, "up", generation);
		this.#carry(broker, device, "down", generation);
	}

	/** Carries one direction's bytes in order, each piece when it would have arrived. */
	#carry(from: Socket, to: Socket, direction: "up" | "down", generation: number): void {
		const { clock, onBytes } = this.#options;
		const { signal } = this.#closing;
		let waiting = 0;
		let last = 0;
		let chain = Promise.resolve();
		from.on("data", (bytes) => {
			if (generation !== this.#generation) return;
			const { arrivesAt, wireBytes } = this.#link.transfer(clock.now(), bytes.length, direction);
			onBytes(direction, wireBytes);
			last = Math.max(last, arrivesAt);
			const due = last;
			waiting += bytes.length;
			if (waiting > maxInFlightBytes) from.pause();
			chain = chain
				.then(async () => {
					const wait = due - clock.now();
					if (wait > 0) await clock.sleep(wait, signal);
					if (generation === this.#generation && !to.destroyed) to.write(bytes);
					waiting -= bytes.length;
					if (waiting <= maxInFlightBytes) from.resume();
				})
				.catch(() => undefined);
		});
	}

	/** At the end of each pass connections go dead. */
	async #endPasses(): Promise<void> {
		const { clock } = this.#options;
		const { signal } = this.#closing;
		try {
			for (;;) {
				const next = this.#link.nextUp(clock.now());
				const endsAt = this.#link.endsAt(Math.max(next, clock.now()));
				if (endsAt === undefined) return;
				await clock.sleep(Math.max(1, endsAt - clock.now()), signal);
				this.kill();
			}
		} catch {
			// Closed.
		}
	}
}
