import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { listenError } from "../broker/listener.js";
import { cloudLimits as limits } from "../limits.js";

/** Whether the cloud does its work. */
export type Readiness = { readonly ready: true } | { readonly ready: false; readonly reason: string };

export interface OperationsServerOptions {
	/** 0 takes a free one. */
	readonly port: number;
	/** Everything in Prometheus' text format. */
	readonly metrics: () => Promise<string>;
	readonly readiness: () => Readiness;
}

/**
 * Answers an operator's machines on loopback: `/metrics`, `/healthz` (this process answers) and `/readyz` (devices are served).
 * It knows no users and no TLS; a proxy that does stands in front of it where others than this machine are to read.
 */
export class OperationsServer implements AsyncDisposable {
	readonly #server: Server;

	private constructor(server: Server) {
		this.#server = server;
	}

	/** @throws ConnectionError `PSGL_PORT_IN_USE`, `PSGL_BROKER_LISTEN`. */
	static async start(options: OperationsServerOptions): Promise<OperationsServer> {
		const timeout = limits.operationsTimeoutMs;
		const server = createServer({ headersTimeout: timeout, requestTimeout: timeout }, (request, response) => {
			answer(options, request, response).catch(() => response.destroy());
		});
		server.maxConnections = limits.operationsConnections;
		const host = "127.0.0.1";
		try {
			await new Promise<void>((resolve, reject) => {
				server.once("error", reject);
				server.listen({ host, port: options.port }, resolve);
			});
		} catch (cause) {
			throw listenError(host, options.port, cause as NodeJS.ErrnoException);
		}
		return new OperationsServer(server);
	}

	/** For instance `http://127.0.0.1:9464`. */
	get url(): string {
		return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
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

async function answer(
	{ metrics, readiness }: OperationsServerOptions,
	request: IncomingMessage,
	response: ServerResponse,
): Promise<void> {
	const send = (status: number, type: string, body: string) =>
		response
			.writeHead(status, { "Content-Type": type, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff" })
			.end(request.method === "HEAD" ? undefined : body);
	if (request.method !== "GET" && request.method !== "HEAD") {
		response.setHeader("Allow", "GET, HEAD");
		send(405, "text/plain", "GET only\n");
		return;
	}
	switch (request.url?.split("?")[0]) {
		case "/metrics":
			send(200, "text/plain; version=0.0.4; charset=utf-8", await metrics());
			return;
		case "/healthz":
			send(200, "application/json", `${JSON.stringify({ status: "ok" })}\n`);
			return;
		case "/readyz": {
			const state = readiness();
			send(state.ready ? 200 : 503, "application/json", `${JSON.stringify(state)}\n`);
			return;
		}
		default:
			send(404, "text/plain", "Try /metrics, /healthz or /readyz\n");
	}
}
