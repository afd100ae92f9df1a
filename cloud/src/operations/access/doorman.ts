import type { IncomingMessage } from "node:http";
import { ApiError, notLoggedIn } from "../api/api-error.js";
import { requestHeader } from "../api/openapi.js";
import type { Access } from "../api/route.js";
import type { Sessions } from "./sessions.js";
import type { User } from "./user.js";
import type { UserFolder } from "./user-folder.js";

export interface DoormanOptions {
	readonly users: UserFolder;
	readonly sessions: Sessions;
	/** Whether requests come over TLS: then the cookie travels over TLS alone. */
	readonly secure: boolean;
	/** Port, in the cookie's name: cookies are shared between the ports of a host. */
	readonly port: () => number;
}

/** Decides which requests get in: by session, by role, and only from the page's own origin. */
export class Doorman {
	readonly #options: DoormanOptions;

	constructor(options: DoormanOptions) {
		this.#options = options;
	}

	/** Browsers take a cookie with the prefix only over TLS, for this host and every path (RFC 6265bis section 4.1.3.2). */
	get cookieName(): string {
		const { secure, port } = this.#options;
		return `${secure ? "__Host-" : ""}psgl-session-${port()}`;
	}

	/** The cookie of a session, or one that ends it. */
	cookie(token: string | undefined): string {
		const age = token === undefined ? "; Max-Age=0" : "";
		const secure = this.#options.secure ? "; Secure" : "";
		return `${this.cookieName}=${token ?? ""}; Path=/; HttpOnly; SameSite=Strict${secure}${age}`;
	}

	/**
	 * @throws ApiError `PSGL_API_ORIGIN` when a request that changes something was not made by the page, or a program on purpose;
	 * `PSGL_API_LOGIN`, `PSGL_API_ROLE`.
	 */
	async admit(
		request: IncomingMessage,
		{ access, method }: { readonly access: Access; readonly method: string },
	): Promise<{ readonly user: User | undefined; readonly token: string | undefined; readonly peer: string }> {
		if (method !== "GET") this.#requireOwnOrigin(request);
		const token = this.#token(request);
		const user = await this.userOf(token);
		if (access !== "everyone" && user === undefined) throw notLoggedIn();
		if (access === "operator" && user?.role !== "operator") {
			throw new ApiError(403, "PSGL_API_ROLE", {
				what: "this takes another role",
				got: user?.role,
				expected: "operator",
				remedy: "Ask an operator",
			});
		}
		return { user, token, peer: request.socket.remoteAddress ?? "unknown" };
	}

	/** Who a session is of; undefined when it is over, or its user is gone or was changed since. */
	async userOf(token: string | undefined): Promise<User | undefined> {
		const session = token === undefined ? undefined : this.#options.sessions.find(token);
		if (session === undefined) return undefined;
		const user = await this.#options.users.find(session.name);
		return user?.changedAt === session.changedAt ? user : undefined;
	}

	#token(request: IncomingMessage): string | undefined {
		const name = this.cookieName;
		const cookies = (request.headers.cookie ?? "").split(";").map((pair) => pair.trim().split("="));
		return cookies.find(([key]) => key === name)?.[1];
	}

	/** Another site's page can set no header of its own without asking first, and its browser says where it is from. */
	#requireOwnOrigin({ headers }: IncomingMessage): void {
		const { origin, host } = headers;
		const own = `${this.#options.secure ? "https" : "http"}://${host}`;
		const site = headers["sec-fetch-site"];
		const marked = headers[requestHeader.toLowerCase()] === "1";
		if (marked && (origin === undefined || origin === own) && (site === undefined || site === "same-origin")) return;
		throw new ApiError(403, "PSGL_API_ORIGIN", {
			what: "the request was not made by this page",
			got: marked ? (origin ?? String(site)) : `no header ${requestHeader}`,
			expected: `${requestHeader}: 1, and ${own} where there is an origin`,
		});
	}
}
