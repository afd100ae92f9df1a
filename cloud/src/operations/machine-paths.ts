import type { IncomingMessage, ServerResponse } from "node:http";

/** Whether the cloud does its work. */
export type Readiness = { readonly ready: true } | { readonly ready: false; readonly reason: string };

export interface MachinePathsOptions {
	/** Everything in Prometheus' text format. */
	readonly metrics: () => Promise<string>;
	readonly readiness: () => Readiness;
}

/**
 * Answers an operator's machines: `/metrics`, `/healthz` (this process answers) and `/readyz` (devices are served).
 * @returns false when the path is none of these
 */
export async function answerMachine(
	{ metrics, readiness }: MachinePathsOptions,
	request: IncomingMessage,
	response: ServerResponse,
): Promise<boolean> {
	const path = request.url?.split("?")[0];
	if (path !== "/metrics" && path !== "/healthz" && path !== "/readyz") return false;
	if (request.method !== "GET" && request.method !== "HEAD") {
		response.setHeader("Allow", "GET, HEAD");
		sendText(request, response, 405, "text/plain", "GET only\n");
	} else if (path === "/metrics") {
		sendText(request, response, 200, "text/plain; version=0.0.4; charset=utf-8", await metrics());
	} else if (path === "/healthz") {
		sendText(request, response, 200, "application/json", `${JSON.stringify({ status: "ok" })}\n`);
	} else {
		const state = readiness();
		sendText(request, response, state.ready ? 200 : 503, "application/json", `${JSON.stringify(state)}\n`);
	}
	return true;
}

/** A short answer that is not to be kept. */
export function sendText(
	request: IncomingMessage,
	response: ServerResponse,
	status: number,
	type: string,
	body: string,
): void {
	response
		.writeHead(status, { "Content-Type": type, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff" })
		.end(request.method === "HEAD" ? undefined : body);
}
