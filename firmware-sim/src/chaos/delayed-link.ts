import type { Socket } from "node:net";
import type { Clock } from "@psgl/sdk";
import { LinkServer } from "./link-server.js";

export interface DelayedLinkOptions {
	/** The broker's port on this machine. */
	readonly port: number;
	/** Milliseconds from the one end to the other; the way there and back takes twice as long. */
	readonly delayMs: number;
	readonly clock: Clock;
}

/** A TCP link of any bandwidth on which every byte is under way for the same time, in both directions, as on a long line. */
export class DelayedLink implements AsyncDisposable {
	readonly #options: DelayedLinkOptions;
	readonly #server: LinkServer;

	private constructor(options: DelayedLinkOptions) {
		this.#options = options;
		this.#server = new LinkServer(options.port, (client) => this.#join(client));
	}

	static async start(options: DelayedLinkOptions): Promise<DelayedLink> {
		const link = new DelayedLink(options);
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
		const broker = this.#server.dial();
		this.#carry(client, broker);
		this.#carry(broker, client);
	}

	#carry(from: Socket, to: Socket): void {
		const { delayMs, clock } = this.#options;
		// In order: each is on its way when the one before it has arrived, if not before.
		let last: Promise<void> = Promise.resolve();
		const later = (deliver: () => void) => {
			const arrival = clock.sleep(delayMs);
			last = last.then(() => arrival).then(deliver);
		};
		from.on("data", (chunk: Buffer) => later(() => void (to.destroyed || to.write(chunk))));
		from.on("close", () => later(() => to.end()));
	}
}
