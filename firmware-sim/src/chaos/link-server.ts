import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** The two ends of a link on this machine: where its clients connect, and its connections to the broker. */
export class LinkServer {
	readonly #brokerPort: number;
	readonly #server: Server;
	readonly #sockets = new Set<Socket>();
	#closed = false;

	/** @param onClient is given each client that connects */
	constructor(brokerPort: number, onClient: (client: Socket) => void) {
		this.#brokerPort = brokerPort;
		this.#server = createServer({ noDelay: true }, (client) => {
			this.#track(client);
			onClient(client);
		});
	}

	async listen(): Promise<void> {
		this.#server.listen({ host: "127.0.0.1", port: 0 });
		await once(this.#server, "listening");
	}

	/** Where clients connect. */
	get url(): string {
		return `mqtt://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
	}

	/** A connection to the broker. */
	dial(): Socket {
		const broker = connect({ host: "127.0.0.1", port: this.#brokerPort, noDelay: true });
		this.#track(broker);
		return broker;
	}

	/** Ends every connection, at both ends. */
	async close(): Promise<void> {
		this.#closed = true;
		const closed = once(this.#server, "close");
		this.#server.close();
		for (const socket of this.#sockets) socket.destroy();
		await closed;
	}

	#track(socket: Socket): void {
		this.#sockets.add(socket);
		socket.on("close", () => this.#sockets.delete(socket));
		socket.on("error", () => socket.destroy());
		// A client that was accepted just before would keep a connection to the broker open.
		if (this.#closed) socket.destroy();
	}
}
