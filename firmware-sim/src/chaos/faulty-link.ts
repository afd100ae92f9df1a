import type { Socket } from "node:net";
import type { Clock, Random } from "@psgl/sdk";
import { LinkServer } from "./link-server.js";
import { isRepeatable, MqttFrames, repeated } from "./mqtt-frames.js";

/** How often a link does what it should not, for each packet, and for how long. */
export interface LinkFaults {
	/** Share of packets, and of all after them, that wait. */
	readonly delay: number;
	/** Longest such wait, milliseconds. */
	readonly maxDelayMs: number;
	/** Share of PUBLISH packets that are delivered twice. */
	readonly duplicate: number;
	/** Share of PUBLISH packets that the next packet overtakes. */
	readonly reorder: number;
	/** Share of packets that vanish, with all after them; the connection ends within `maxDelayMs`. */
	readonly drop: number;
	/** Share of packets after which one direction is dead while both ends take the connection for open. */
	readonly halfOpen: number;
}

/** What the link has done so far. */
export type LinkCounts = {
	[K in "connections" | "delayed" | "duplicated" | "reordered" | "dropped" | "halfOpened"]: number;
};

export interface FaultyLinkOptions {
	/** The broker's port on this machine. */
	readonly port: number;
	readonly faults: LinkFaults;
	readonly random: Random;
	readonly clock: Clock;
}

/** Milliseconds a packet that may be overtaken waits when none follows. */
const overtakeMs = 50;

/**
 * A TCP link between MQTT clients and a broker that delays, drops, repeats and reorders packets and goes dead in one
 * direction, on a seed. TCP itself does neither repeat nor reorder; a broker that restarts and a client that connects
 * again do, so whole PUBLISH packets are.
 */
export class FaultyLink implements AsyncDisposable {
	readonly counts: LinkCounts = {
		connections: 0,
		delayed: 0,
		duplicated: 0,
		reordered: 0,
		dropped: 0,
		halfOpened: 0,
	};
	/** False: packets pass as they are. */
	faulty = true;
	readonly #options: FaultyLinkOptions;
	readonly #server: LinkServer;

	private constructor(options: FaultyLinkOptions) {
		this.#options = options;
		this.#server = new LinkServer(options.port, (client) => this.#join(client));
	}

	static async start(options: FaultyLinkOptions): Promise<FaultyLink> {
		const link = new FaultyLink(options);
		await link.#server.listen();
		return link;
	}

	/** Where clients connect. */
	get url(): string {
		return this.#server.url;
	}

	async close(): Promise<void> {
		await this.#server.close();
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}

	#join(client: Socket): void {
		this.counts.connections++;
		const broker = this.#server.dial();
		const random = this.#options.random.fork(`connection ${this.counts.connections}`);
		const end = () => {
			client.destroy();
			broker.destroy();
		};
		for (const socket of [client, broker]) socket.on("close", end);
		this.#carry(client, broker, random.fork("up"), end);
		this.#carry(broker, client, random.fork("down"), end);
	}

	/** Carries one direction's packets, one after the other. */
	#carry(from: Socket, to: Socket, random: Random, end: () => void): void {
		const { clock, faults } = this.#options;
		const frames = new MqttFrames();
		let dead = false;
		let held: Buffer | undefined;
		let last = Promise.resolve();
		const release = () => {
			if (held !== undefined && !dead) to.write(held);
			held = undefined;
		};
		const pass = async (frame: Buffer): Promise<void> => {
			if (dead) return;
			if (!this.faulty) {
				to.write(frame);
				return release();
			}
			if (random.uniform() < faults.delay) {
				this.counts.delayed++;
				await clock.sleep(random.uniform() * faults.maxDelayMs);
			}
			if (random.uniform() < faults.drop) {
				this.counts.dropped++;
				dead = true;
				void clock.sleep(random.uniform() * faults.maxDelayMs).then(end);
				return;
			}
			if (random.uniform() < faults.halfOpen) {
				this.counts.halfOpened++;
				dead = true;
				return;
			}
			if (held === undefined && isRepeatable(frame) && random.uniform() < faults.reorder) {
				this.counts.reordered++;
				held = frame;
				void clock.sleep(overtakeMs).then(release);
				return;
			}
			to.write(frame);
			release();
			if (isRepeatable(frame) && random.uniform() < faults.duplicate) {
				this.counts.duplicated++;
				to.write(repeated(frame));
			}
		};
		from.on("data", (bytes) => {
			for (const frame of frames.push(bytes as Buffer)) last = last.then(() => pass(frame));
		});
	}
}
