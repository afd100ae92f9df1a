import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import type { Clock } from "@psgl/sdk";

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
	readonly #server: Server;
	readonly #sockets = new Set<Socket>();

	private constructor(options: DelayedLinkOptions) {
		this.#options = options;
		this.#server = createServer({ noDelay: true }, (socket) => this.#join(socket));
	}

	static async start(options: DelayedLinkOptions): Promise<DelayedLink> {
		const link = new DelayedLink(options);
		link.#server.listen({ host: "127.0.0.1", port: 0 });
		await once(link.#server, "listening");
		return link;
	}

	/** Where clients connect. */
	get url(): string {
		return `mqtt://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
	}

	async close(): Promise<void> {
		const closed = once(this.#server, "close");
		this.#server.close();
		for (const socket of this.#sockets) socket.destroy();
		await closed;
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}

	#join(client: Socket): void {
		const broker = connect({ host: "127.0.0.1", port: this.#options.port, noDelay: true });
		for (const socket of [client, broker]) {
			this.#sockets.add(socket);
			socket.on("close", () => this.#sockets.delete(socket));
			socket.on("error", () => socket.destroy());
		}
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
