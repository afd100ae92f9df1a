import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer, Server as TlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { listenError } from "../broker/listener.js";
import { cloudLimits as limits } from "../limits.js";

/** What a server proves itself with, in PEM. */
export interface ServerCertificate {
	readonly certificate: string;
	readonly key: string;
}

export interface OperationsServerOptions {
	readonly host: string;
	/** 0 takes a free one. */
	readonly port: number;
	/** Left out: plain HTTP. */
	readonly tls?: ServerCertificate | undefined;
	/** Open connections; further ones are closed. */
	readonly connections: number;
	readonly answer: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
}

/** An HTTP port for people or machines who watch the cloud, with bounds on connections and time. */
export class OperationsServer implements AsyncDisposable {
	readonly #server: Server;
	readonly #host: string;
	readonly #scheme: "http" | "https";

	private constructor(server: Server, host: string, scheme: "http" | "https") {
		this.#server = server;
		this.#host = host;
		this.#scheme = scheme;
	}

	/** @throws ConnectionError `PSGL_PORT_IN_USE`, `PSGL_BROKER_LISTEN`. */
	static async start({ host, port, tls, connections, answer }: OperationsServerOptions): Promise<OperationsServer> {
		const timeout = limits.operationsTimeoutMs;
		// Looked at every 30 s otherwise, whatever they say.
		const bounds = { headersTimeout: timeout, requestTimeout: timeout, connectionsCheckingInterval: 1000 };
		const listener = (request: IncomingMessage, response: ServerResponse) => {
			answer(request, response).catch(() => response.destroy());
		};
		const server =
			tls === undefined ? createServer(bounds, listener) : createTlsServer({ ...bounds, ...tlsOptions(tls) }, listener);
		server.maxConnections = connections;
		try {
			await new Promise<void>((resolve, reject) => {
				server.once("error", reject);
				server.listen({ host, port }, resolve);
			});
		} catch (cause) {
			throw listenError(host, port, cause as NodeJS.ErrnoException);
		}
		return new OperationsServer(server, host, tls === undefined ? "http" : "https");
	}

	get port(): number {
		return (this.#server.address() as AddressInfo).port;
	}

	/** For instance `http://127.0.0.1:9464`. */
	get url(): string {
		const host = this.#host.includes(":") ? `[${this.#host}]` : this.#host;
		return `${this.#scheme}://${host}:${this.port}`;
	}

	/** Takes up another certificate for connections to come. */
	renewTls(tls: ServerCertificate): void {
		if (this.#server instanceof TlsServer) this.#server.setSecureContext(tlsOptions(tls));
	}

	async close(): Promise<void> {
		const closed = new Promise((resolve) => this.#server.close(resolve));
		this.#server.closeAllConnections();
		await closed;
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}
}

function tlsOptions({ certificate, key }: ServerCertificate) {
	return { cert: certificate, key, minVersion: "TLSv1.3" } as const;
}
