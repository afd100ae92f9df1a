import { createHash, randomBytes } from "node:crypto";
import type { Clock } from "@psgl/sdk";
import { cloudLimits as limits } from "../../limits.js";
import type { User } from "./user.js";

/** Somebody who is logged in. */
export interface Session {
	readonly name: string;
	/** The user's `changedAt` when the session was opened. */
	readonly changedAt: string;
	/** Milliseconds since the Unix epoch. */
	readonly openedAtMs: number;
	usedAtMs: number;
}

/** Open sessions, in memory: a restart ends them. Tokens are kept as hashes, so looking one up tells nothing by its time. */
export class Sessions {
	readonly #clock: Clock;
	readonly #sessions = new Map<string, Session>();

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	/** @returns the token of the new session */
	open({ name, changedAt }: User): string {
		const now = this.#clock.now();
		for (const [key, session] of this.#sessions) if (this.#isOver(session)) this.#sessions.delete(key);
		// The one that was opened first gives way.
		const [first] = this.#sessions.keys();
		if (this.#sessions.size >= limits.operationsSessions && first !== undefined) this.#sessions.delete(first);
		const token = randomBytes(32).toString("base64url");
		this.#sessions.set(hashOf(token), { name, changedAt, openedAtMs: now, usedAtMs: now });
		return token;
	}

	/** The session of a token while it lasts; asking makes it last on. */
	find(token: string): Session | undefined {
		const session = this.#sessions.get(hashOf(token));
		if (session === undefined) return undefined;
		if (this.#isOver(session)) {
			this.close(token);
			return undefined;
		}
		session.usedAtMs = this.#clock.now();
		return session;
	}

	close(token: string): void {
		this.#sessions.delete(hashOf(token));
	}

	#isOver({ openedAtMs, usedAtMs }: Session): boolean {
		const now = this.#clock.now();
		return now - openedAtMs >= limits.sessionMs || now - usedAtMs >= limits.sessionIdleMs;
	}
}

function hashOf(token: string): string {
	return createHash("sha256").update(token).digest("base64");
}
