import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A relay in front of a TCP server that keeps every byte that passes, in both directions. */
export interface TcpTap extends AsyncDisposable {
	readonly port: number;
	/** Everything that has passed so far, connection by connection and direction by direction. */
	bytes(): Buffer;
}

/** Starts a tap in front of `target` on loopback. */
export async function tcpTap(target: number): Promise<TcpTap> {
	const passed: Buffer[][] = [];
	const sockets = new Set<Socket>();
	const server = createServer((client) => {
		const upstream = connect(target, "127.0.0.1");
		for (const [from, to] of [
			[client, upstream],
			[upstream, client],
		] as const) {
			const chunks: Buffer[] = [];
			passed.push(chunks);
			sockets.add(from);
			from.on("data", (chunk: Buffer) => {
				chunks.push(chunk);
				to.write(chunk);
			});
			from.on("error", () => to.destroy());
			from.on("close", () => to.end());
		}
	});
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	return {
		port: (server.address() as AddressInfo).port,
		bytes: () => Buffer.concat(passed.map((chunks) => Buffer.concat(chunks))),
		async [Symbol.asyncDispose]() {
			for (const socket of sockets) socket.destroy();
			server.close();
			await once(server, "close");
		},
	};
}
