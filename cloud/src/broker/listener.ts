import { createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { createServer as createTlsServer, type TLSSocket, Server as TlsServer } from "node:tls";
import { type Clock, ConnectionError, LimitError, type PsglError } from "@psgl/sdk";
import { cloudLimits as limits } from "../limits.js";
import { connectionFault } from "./broker-errors.js";
import { ByteGuard } from "./byte-guard.js";
import { guardConnection, type Peer, peerAddress } from "./guard-connection.js";
import { type BrokerTls, type CheckedTls, checkTls, handshakeError, type PeerIdentity, peerIdentity } from "./tls.js";
import { TokenBuckets } from "./token-bucket.js";
import { WebSocketGate, webSocketPath } from "./web-socket-gate.js";

export interface ListenerOptions {
	/** Left out: plain TCP. */
	readonly tls: CheckedTls | undefined;
	readonly maxConnections: number;
	/** Longest MQTT packet, bytes, fixed header included. */
	readonly maxPacketBytes: number;
	/** Origins of pages (`https://ward.example`) whose scripts may connect over WebSocket. Left out: no WebSocket on this port. */
	readonly webSocketOrigins?: readonly string[] | undefined;
	/** Milliseconds until a connection has asked for a WebSocket. Default: `cloudLimits`. */
	readonly connectTimeoutMs?: number | undefined;
	readonly clock: Clock;
	/** A connection that may speak MQTT; its bytes pass a guard. */
	readonly onConnection: (connection: Duplex) => void;
	/** A connection that was turned away before it spoke MQTT. */
	readonly onRefused: (peer: string, error: PsglError) => void;
}

/** The port of a broker: takes connections, asks for certificates with TLS, and guards their bytes. */
export class Listener {
	host = "";
	port = 0;
	readonly #options: ListenerOptions;
	readonly #server: Server;
	readonly #gate: WebSocketGate | undefined;
	readonly #connects = new TokenBuckets(
		{ perSecond: limits.connectsPerSecond, burst: limits.connectBurst },
		limits.watchedAddresses,
	);
	#tls: CheckedTls | undefined;

	constructor(options: ListenerOptions) {
		const { tls, maxConnections, onRefused } = options;
		this.#options = options;
		const { webSocketOrigins: origins, maxPacketBytes: maxFrameBytes } = options;
		const { connectTimeoutMs = limits.connectTimeoutMs } = options;
		this.#gate = origins && new WebSocketGate({ origins, maxFrameBytes, connectTimeoutMs, onRefused });
		this.#tls = tls;
		const link = { noDelay: true, keepAlive: true };
		this.#server =
			tls === undefined
				? createServer(link, (socket) => this.#open(socket))
				: createTlsServer({ ...link, ...tls.options }, (socket) => this.#identify(socket));
		this.#server.maxConnections = maxConnections;
		// Before TLS: a handshake is what costs.
		this.#server.prependListener("connection", (socket: Socket) => this.#limit(socket));
		this.#server.on("tlsClientError", (error: Error, socket: TLSSocket) => {
			onRefused(peerAddress(socket), handshakeError(error));
		});
	}

	get url(): string {
		const scheme = `${this.#gate === undefined ? "mqtt" : "ws"}${this.#tls === undefined ? "" : "s"}`;
		const host = this.host.includes(":") ? `[${this.host}]` : this.host;
		return `${scheme}://${host}:${this.port}${this.#gate === undefined ? "" : webSocketPath}`;
	}

	/** @throws ConnectionError `PSGL_PORT_IN_USE`, `PSGL_BROKER_LISTEN`. */
	async listen(host: string, port: number): Promise<void> {
		try {
			await new Promise<void>((resolve, reject) => {
				this.#server.once("error", reject);
				this.#server.listen({ host, port }, resolve);
			});
		} catch (cause) {
			throw listenError(host, port, cause as NodeJS.ErrnoException);
		}
		const address = this.#server.address();
		this.host = host;
		this.port = typeof address === "object" && address !== null ? address.port : port;
	}

	/**
	 * Takes up other certificates for connections to come.
	 * @throws ConfigError `PSGL_TLS_FILES`, and the old ones stay in force.
	 */
	async renewTls(tls: BrokerTls): Promise<void> {
		const checked = await checkTls(tls);
		if (!(this.#server instanceof TlsServer)) return;
		this.#server.setSecureContext(checked.options);
		this.#tls = checked;
	}

	/** Whether the certificate of an open connection was revoked since. */
	isRevoked({ serial }: PeerIdentity): boolean {
		return this.#tls?.revoked.has(serial) === true;
	}

	/** Takes no more connections; resolves when all are closed. */
	close(): Promise<void> {
		this.#gate?.close();
		return new Promise((resolve) => this.#server.close(() => resolve()));
	}

	#limit(socket: Socket): void {
		const { clock, onRefused } = this.#options;
		if (this.#connects.take(socket.remoteAddress ?? "unknown", clock.now())) return;
		onRefused(peerAddress(socket), tooManyConnects());
		socket.destroy();
	}

	#identify(socket: TLSSocket): void {
		try {
			this.#open(socket, peerIdentity(socket, this.#tls?.revoked ?? new Set()));
		} catch (error) {
			this.#options.onRefused(peerAddress(socket), connectionFault(error as Error));
			socket.destroy();
		}
	}

	#open(socket: Socket, identity?: Peer["identity"]): void {
		if (socket.destroyed) return;
		const address = peerAddress(socket);
		if (this.#gate === undefined) this.#guard(socket, { address, identity });
		else this.#gate.take(socket, (stream) => this.#guard(stream, { address, identity }));
	}

	#guard(stream: Duplex, peer: Peer): void {
		const { maxPacketBytes, clock, onConnection } = this.#options;
		const packetRate = { perSecond: limits.packetsPerSecond, burst: limits.packetBurst };
		const guard = new ByteGuard({ maxPacketBytes, maxControlBytes: limits.maxControlBytes, packetRate, clock });
		guardConnection(stream, guard, peer);
		onConnection(stream);
	}
}

function tooManyConnects(): LimitError {
	return new LimitError("PSGL_BROKER_CONNECT_RATE", {
		what: "an address opens connections too fast",
		got: `more than ${limits.connectBurst} at once`,
		expected: `at most ${limits.connectsPerSecond} a second`,
		remedy: "Check what runs there; devices try again with growing delays by themselves",
	});
}

/** The error for a port that cannot be listened on. */
export function listenError(host: string, port: number, cause: NodeJS.ErrnoException): PsglError {
	if (cause.code === "EADDRINUSE") {
		return new ConnectionError("PSGL_PORT_IN_USE", {
			what: `port ${port} on ${host} is in use`,
			got: "another program listens there",
			remedy: "Stop it, or choose another port (0 takes a free one)",
			cause,
		});
	}
	return new ConnectionError("PSGL_BROKER_LISTEN", {
		what: `cannot listen on ${host}, port ${port}`,
		got: cause.message,
		remedy: "Check host and port, and whether this user may open it",
		cause,
	});
}
