import { type Clock, LimitError } from "@psgl/sdk";
import { TokenBuckets } from "../../broker/token-bucket.js";
import { cloudLimits as limits } from "../../limits.js";
import type { AuditTrail } from "../../trail/audit-trail.js";
import { ApiError, tooManyAttempts } from "../api/api-error.js";
import { isPassword, passwordFault } from "./password.js";
import type { Sessions } from "./sessions.js";
import type { Invitation, User } from "./user.js";
import type { UserFolder } from "./user-folder.js";

export interface LogInOptions {
	readonly users: UserFolder;
	readonly sessions: Sessions;
	readonly trail: AuditTrail;
	readonly clock: Clock;
}

/** A user and the token of the session that was opened. */
export interface LoggedIn {
	readonly user: User;
	readonly token: string;
}

/** Lets people in: by password, or by a link that sets one. Guessing is slow, dear, and leaves entries in the trail. */
export class LogIn {
	readonly #options: LogInOptions;
	readonly #attempts = new TokenBuckets(
		{ perSecond: limits.logInsPerMinute / 60, burst: limits.logInBurst },
		limits.watchedAddresses,
	);
	#atWork = 0;

	constructor(options: LogInOptions) {
		this.#options = options;
	}

	/**
	 * Opens a session by name and password. What is wrong of the two is not told.
	 * @throws ApiError `PSGL_API_CREDENTIALS`, `PSGL_API_RATE`.
	 */
	async byPassword(name: string, password: string, peer: string): Promise<LoggedIn> {
		const { users, sessions, trail } = this.#options;
		this.#attempt(`address ${peer}`);
		this.#attempt(`name ${name}`);
		const user = await users.find(name);
		if (!(await this.#work(() => isPassword(password, user?.password))) || user === undefined) {
			trail.append("log-in-refused", { user: name.slice(0, 32), peer });
			throw new ApiError(401, "PSGL_API_CREDENTIALS", {
				what: "name or password is wrong",
				remedy: "Try again; psgl users invite makes a link that sets a new password",
			});
		}
		trail.append("logged-in", { user: user.name, role: user.role, peer });
		return { user, token: sessions.open(user) };
	}

	/** What a link is for. @throws ApiError `PSGL_API_LINK`, `PSGL_API_RATE`. */
	async look(token: string, peer: string): Promise<Invitation> {
		this.#attempt(`address ${peer}`);
		const invitation = await this.#options.users.invitation(token);
		if (invitation === undefined) throw linkOver();
		return invitation;
	}

	/**
	 * Sets the password of the link's user, uses the link up and opens a session.
	 * @throws ApiError `PSGL_API_LINK`, `PSGL_API_PASSWORD`, `PSGL_API_RATE`, `PSGL_API_CONFLICT`.
	 */
	async byLink(token: string, chosen: { readonly name: string; readonly password: string }, peer: string) {
		const { users, sessions, trail } = this.#options;
		const invitation = await this.look(token, peer);
		const name = invitation.name ?? chosen.name;
		if (name !== chosen.name) throw new ApiError(409, "PSGL_API_CONFLICT", foreignName(chosen.name, name));
		// A link without a name is for somebody new.
		if (invitation.name === undefined && (await users.find(name)) !== undefined) {
			throw new ApiError(409, "PSGL_API_CONFLICT", {
				what: `there is a user ${name} already`,
				path: "name",
				remedy: "Choose another name",
			});
		}
		const fault = passwordFault(chosen.password, name);
		if (fault !== undefined) {
			throw new ApiError(400, "PSGL_API_PASSWORD", {
				what: "the password is too easy to guess",
				path: "password",
				got: fault,
				expected: `at least ${limits.passwordCharacters} characters, not built from the name`,
				remedy: "Four words that do not belong together do well",
			});
		}
		const user = await this.#work(async () => {
			if (!(await users.claim(token))) throw linkOver();
			return users.put(name, invitation.role, chosen.password);
		}).catch((error: unknown) => {
			if (error instanceof LimitError) throw new ApiError(409, "PSGL_API_CONFLICT", { what: error.what });
			throw error;
		});
		trail.append("password-set", { user: name, role: invitation.role, peer });
		return { user, token: sessions.open(user) } satisfies LoggedIn;
	}

	#attempt(key: string): void {
		if (!this.#attempts.take(key, this.#options.clock.now())) throw tooManyAttempts();
	}

	/** Hashing takes a core and memory: only so many at a time. */
	async #work<T>(hash: () => Promise<T>): Promise<T> {
		if (this.#atWork >= limits.passwordsAtOnce) throw tooManyAttempts();
		this.#atWork++;
		try {
			return await hash();
		} finally {
			this.#atWork--;
		}
	}
}

function linkOver(): ApiError {
	return new ApiError(410, "PSGL_API_LINK", {
		what: "the link was used, or has expired",
		remedy: "Ask for another one: psgl users invite, or start psgl cloud again when nobody has a password yet",
	});
}

function foreignName(got: string, expected: string) {
	return { what: "the link is for another name", path: "name", got, expected, remedy: "Leave the name as it is" };
}
