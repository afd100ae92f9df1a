/** An answer of the HTTP API. */
export interface ApiAnswer {
	readonly status: number;
	// biome-ignore lint/suspicious/noExplicitAny: what a test looks at in an answer is the test's matter
	readonly body: any;
	readonly headers: Headers;
}

/** Asks the operations API as a browser's page does, with the cookie it was given. */
export class ApiClient {
	readonly origin: string;
	cookie: string | undefined;

	constructor(origin: string) {
		this.origin = origin;
	}

	get(path: string): Promise<ApiAnswer> {
		return this.call("GET", path);
	}

	post(path: string, body?: unknown): Promise<ApiAnswer> {
		return this.call("POST", path, body);
	}

	async call(
		method: string,
		path: string,
		body?: unknown,
		headers: Readonly<Record<string, string>> = { "Psgl-Request": "1" },
	): Promise<ApiAnswer> {
		const response = await this.fetch(path, {
			method,
			headers: { ...headers, ...this.#cookies },
			...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
		});
		const [cookie] = response.headers.getSetCookie();
		if (cookie !== undefined) this.cookie = cookie.includes("Max-Age=0") ? undefined : (cookie.split(";")[0] as string);
		const text = await response.text();
		return { status: response.status, body: text === "" ? undefined : JSON.parse(text), headers: response.headers };
	}

	/** The first event of the stream for which `wanted` holds. */
	async firstEvent(wanted: (event: { readonly type: string }) => boolean): Promise<unknown> {
		for await (const event of this.events()) if (wanted(event)) return event;
		throw new Error("the stream ended");
	}

	/** Events as they come, until the stream ends or nobody reads on. */
	async *events(): AsyncGenerator<{ readonly type: string }> {
		const leaving = new AbortController();
		const response = await this.fetch("/events", { headers: this.#cookies, signal: leaving.signal });
		if (response.status !== 200) throw new Error(`the stream answered ${response.status}`);
		let text = "";
		try {
			for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
				text += Buffer.from(chunk).toString("utf8");
				const parts = text.split("\n\n");
				text = parts.pop() as string;
				for (const part of parts) if (part.startsWith("data: ")) yield JSON.parse(part.slice(6));
			}
		} finally {
			leaving.abort();
		}
	}

	fetch(path: string, init: RequestInit = {}): Promise<Response> {
		return fetch(`${this.origin}/api/v1${path}`, init);
	}

	get #cookies(): Record<string, string> {
		return this.cookie === undefined ? {} : { Cookie: this.cookie };
	}
}
