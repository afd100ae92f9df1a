import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { ConnectionError, PsglError } from "@psgl/sdk";
import { cloudLimits as limits } from "../../limits.js";
import type { Doorman } from "../access/doorman.js";
import { ApiError, notFound } from "./api-error.js";
import { apiPath } from "./openapi.js";
import { checked, readBody } from "./read-body.js";
import type { Call, Route } from "./route.js";

/** Takes requests below `/api/v1` to their routes. */
export class Router {
	readonly #routes: readonly Route[];
	readonly #doorman: Doorman;
	readonly #onFault: (error: unknown) => void;
	#streams = 0;

	/** @param onFault told of what is no fault of the request */
	constructor(routes: readonly Route[], doorman: Doorman, onFault: (error: unknown) => void) {
		this.#routes = routes;
		this.#doorman = doorman;
		this.#onFault = onFault;
	}

	/** Answers; what is wrong with a request is an answer too. */
	async answer(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
		try {
			await this.#run(request, response, url);
		} catch (error) {
			if (!(error instanceof PsglError) && !response.destroyed) this.#onFault(error);
			if (response.headersSent) {
				response.destroy();
				return;
			}
			const [status, body] = errorOf(error);
			// What is left of a body that is too long is not read.
			if (status === 413) response.setHeader("Connection", "close");
			sendJson(response, status, body);
		}
	}

	async #run(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
		const { route, params } = this.#find(request.method ?? "", url.pathname.slice(apiPath.length));
		const { user, token, peer } = await this.#doorman.admit(request, route);
		const query = route.query && checked(Object.fromEntries(url.searchParams), route.query, "the query");
		const body = route.body && (await readBody(request, route.body));
		const setToken = (value: string | undefined) => response.setHeader("Set-Cookie", this.#doorman.cookie(value));
		const call: Call = { params, query, body, user, token, peer, setToken };
		if (route.stream === true) {
			const { frequent = () => false } = route;
			const mayRead = async (event: unknown) =>
				frequent(event as never) || (await this.#doorman.userOf(token)) !== undefined;
			await this.#stream(response, route.run(call) as AsyncIterableIterator<unknown>, mayRead);
		} else {
			sendJson(response, 200, await route.run(call));
		}
	}

	#find(method: string, path: string): { readonly route: Route; readonly params: Readonly<Record<string, string>> } {
		const allowed: string[] = [];
		for (const route of this.#routes) {
			const params = match(route.path, path);
			if (params === undefined) continue;
			if (route.method === method) return { route, params };
			allowed.push(route.method);
		}
		if (allowed.length === 0) throw notFound("there is no such path", `${apiPath}${path}`);
		throw new ApiError(405, "PSGL_API_METHOD", {
			what: "the path takes no such request",
			got: method,
			expected: allowed.join(", "),
		});
	}

	/**
	 * Sends events as they come (Server-Sent Events, HTML standard section 9.2). A browser that reads slowly is waited for, and the
	 * source drops what it may.
	 */
	async #stream(
		response: ServerResponse,
		events: AsyncIterableIterator<unknown>,
		mayRead: (event: unknown) => Promise<boolean>,
	): Promise<void> {
		if (this.#streams >= limits.eventStreams) {
			await events.return?.();
			throw new ApiError(429, "PSGL_API_STREAMS", {
				what: "there are too many readers of events",
				expected: `at most ${limits.eventStreams}`,
				remedy: "Close pages that are open elsewhere",
			});
		}
		this.#streams++;
		try {
			response.writeHead(200, { "Content-Type": "text/event-stream", ...commonHeaders });
			response.write(": psgl\n\n");
			for await (const event of events) {
				if (response.destroyed || !(await mayRead(event))) break;
				const free = response.write(`data: ${JSON.stringify(event, jsonNumber)}\n\n`);
				if (!free) await Promise.race([once(response, "drain"), once(response, "close")]);
			}
		} finally {
			this.#streams--;
			response.end();
		}
	}
}

/** Values of a template's parameters; undefined when the path is another. */
function match(template: string, path: string): Readonly<Record<string, string>> | undefined {
	const [names, parts] = [template.split("/"), path.split("/")];
	if (names.length !== parts.length) return undefined;
	const params: Record<string, string> = {};
	for (const [i, name] of names.entries()) {
		const part = parts[i] as string;
		if (name.startsWith("{")) params[name.slice(1, -1)] = part;
		else if (name !== part) return undefined;
	}
	return params;
}

const commonHeaders = { "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff" } as const;

function sendJson(response: ServerResponse, status: number, body: unknown): void {
	response
		.writeHead(status, { "Content-Type": "application/json", ...commonHeaders })
		.end(`${JSON.stringify(body, jsonNumber)}\n`);
}

/** Exit codes of errors that are about what was asked for, and no fault of the cloud: `ConfigError`, `DataError`, `ArtifactError`. */
const conflicts: ReadonlySet<number> = new Set([2, 3, 4]);

/** What a request gets to read of an error: those of psgl whole, others not at all. */
function errorOf(error: unknown): readonly [number, unknown] {
	if (!(error instanceof PsglError)) return [500, { code: "PSGL_INTERNAL", what: "a fault in psgl" }];
	const { code, what, got, expected, remedy } = error;
	if (error instanceof ApiError) return [error.status, { code, what, path: error.path, got, expected, remedy }];
	// What it builds on is away, a run's store for instance: the same request may do later.
	const away = error instanceof ConnectionError ? 503 : 500;
	return [conflicts.has(error.exitCode) ? 409 : away, { code, what, got, expected, remedy }];
}

/** JSON has no infinity and no NaN. */
function jsonNumber(_key: string, value: unknown): unknown {
	return typeof value === "number" && !Number.isFinite(value) ? null : value;
}
