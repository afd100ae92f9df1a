import { createServer, type IncomingMessage, type Server, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { ProtocolError, type PsglError } from "@psgl/sdk";
import { createWebSocketStream, type WebSocket, WebSocketServer } from "ws";
import { cloudLimits as limits } from "../limits.js";
import { connectionFault } from "./broker-errors.js";
import { peerAddress } from "./guard-connection.js";

/** Where on the port MQTT is spoken; the name is the custom of MQTT brokers. */
export const webSocketPath = "/mqtt";

/** The subprotocol's name [MQTT-6.0.0-3], [MQTT-6.0.0-4]. */
const subprotocol = "mqtt";

export interface WebSocketGateOptions {
	/** Origins whose pages may connect. Browsers name the page's; other programs name none and may. */
	readonly origins: readonly string[];
	/** Longest WebSocket message, bytes. */
	readonly maxFrameBytes: number;
	/** Milliseconds until a connection has asked for a WebSocket. */
	readonly connectTimeoutMs: number;
	readonly onRefused: (peer: string, error: PsglError) => void;
}

/**
 * Turns sockets that ask for MQTT over WebSocket (MQTT 3.1.1 section 6) into streams of MQTT. The check of the origin keeps a
 * page that somebody on this network happens to open from speaking to a broker that only this network reaches (cross-site
 * WebSocket hijacking).
 */
export class WebSocketGate {
	readonly #options: WebSocketGateOptions;
	readonly #http: Server;
	readonly #sockets: WebSocketServer;
	/** What to do with a socket that has passed; those that have not yet are in it. */
	readonly #waiting = new Map<Duplex, (stream: Duplex) => void>();

	constructor(options: WebSocketGateOptions) {
		this.#options = options;
		this.#sockets = new WebSocketServer({
			noServer: true,
			clientTracking: false,
			maxPayload: options.maxFrameBytes,
			// Compression would let a small message grow large, and smashed data hardly shrink.
			perMessageDeflate: false,
			handleProtocols: () => subprotocol,
		});
		this.#http = createServer({ maxHeaderSize: limits.maxControlBytes, keepAlive: false }, (request, response) => {
			this.#options.onRefused(peerAddress(request.socket), notWebSocket(`${request.method}`));
			response.writeHead(426, { Connection: "close", Upgrade: "websocket" }).end();
		});
		this.#http.on("upgrade", (request, socket, head) => this.#upgrade(request, socket, head));
		this.#http.on("clientError", (error, socket) => {
			this.#options.onRefused(peerAddress(socket as Socket), connectionFault(error));
			socket.destroy();
		});
	}

	/** Takes a socket; calls `onStream` when it speaks MQTT over WebSocket. */
	take(socket: Socket, onStream: (stream: Duplex) => void): void {
		// A server of HTTP that does not listen itself knows no timeouts.
		const late = setTimeout(() => {
			this.#options.onRefused(peerAddress(socket), notWebSocket("nothing in time"));
			socket.destroy();
		}, this.#options.connectTimeoutMs);
		this.#waiting.set(socket, (stream) => {
			clearTimeout(late);
			onStream(stream);
		});
		socket.once("close", () => {
			clearTimeout(late);
			this.#waiting.delete(socket);
		});
		this.#http.emit("connection", socket);
	}

	/** Ends the sockets that have not passed. */
	close(): void {
		for (const socket of this.#waiting.keys()) socket.destroy();
		this.#sockets.close();
	}

	#upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
		const refusal = this.#check(request);
		if (refusal !== undefined) {
			this.#options.onRefused(peerAddress(request.socket), refusal.error);
			socket.end(`HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}\r\nConnection: close\r\n\r\n`);
			return;
		}
		this.#sockets.handleUpgrade(request, socket, head, (webSocket) => {
			this.#waiting.get(request.socket)?.(mqttStream(webSocket));
			this.#waiting.delete(request.socket);
		});
	}

	#check(request: IncomingMessage): { readonly status: 400 | 403 | 404; readonly error: ProtocolError } | undefined {
		const { origin, "sec-websocket-protocol": offered = "" } = request.headers;
		if (request.url?.split("?")[0] !== webSocketPath) {
			return { status: 404, error: notWebSocket(`the path ${request.url?.slice(0, 80)}`) };
		}
		if (!offered.split(",").some((name) => name.trim() === subprotocol)) {
			return { status: 400, error: notWebSocket(`the subprotocols ${JSON.stringify(offered.slice(0, 80))}`) };
		}
		if (origin === undefined || this.#options.origins.includes(origin)) return undefined;
		const error = new ProtocolError("PSGL_BROKER_ORIGIN", {
			what: "a page of another origin asks for a connection",
			got: origin.slice(0, 200),
			expected: this.#options.origins.join(", ") || "no page at all",
			remedy: "If the page is one of yours, name its origin with --web-socket-origins",
		});
		return { status: 403, error };
	}
}

/** The bytes that come and go over a WebSocket. Only binary messages carry MQTT [MQTT-6.0.0-1]. */
function mqttStream(webSocket: WebSocket): Duplex {
	const stream = createWebSocketStream(webSocket, { allowHalfOpen: false });
	webSocket.on("message", (_data, isBinary) => {
		if (!isBinary) webSocket.close(1003);
	});
	return stream;
}

function notWebSocket(got: string): ProtocolError {
	return new ProtocolError("PSGL_BROKER_WEB_SOCKET", {
		what: "a connection does not ask for MQTT over WebSocket",
		got,
		expected: `a WebSocket on ${webSocketPath} with the subprotocol ${subprotocol}`,
		remedy: "Connect with an MQTT 3.1.1 client over WebSocket; plain MQTT has a port of its own",
	});
}
