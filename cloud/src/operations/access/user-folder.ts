import { createHash, randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, rm, unlink } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, ConfigError, DataError, LimitError, systemClock } from "@psgl/sdk";
import type { z } from "zod";
import { writeOutput } from "../../files/write-output.js";
import { cloudLimits as limits } from "../../limits.js";
import { storePassword } from "./password.js";
import { type Invitation, invitationRecord, type Role, type User, userName, userRecord } from "./user.js";

/**
 * Who may log in: a file for each user and each open invitation, so that `psgl users` and a running cloud do not lose one
 * another's changes. Passwords are there as scrypt hashes, tokens of invitations as SHA-256.
 */
export class UserFolder {
	readonly #users: string;
	readonly #invitations: string;
	readonly #clock: Clock;

	private constructor(folder: string, clock: Clock) {
		this.#users = folder;
		this.#invitations = join(folder, "invitations");
		this.#clock = clock;
	}

	/** Makes the folder `users` in a state folder, readable for its owner only. @throws ConfigError `PSGL_OUTPUT_UNWRITABLE`. */
	static async open(stateFolder: string, clock: Clock = systemClock): Promise<UserFolder> {
		const folder = new UserFolder(join(stateFolder, "users"), clock);
		try {
			await mkdir(folder.#invitations, { recursive: true, mode: 0o700 });
		} catch (cause) {
			throw new ConfigError("PSGL_OUTPUT_UNWRITABLE", {
				what: `the folder ${folder.#users} cannot be made`,
				got: (cause as Error).message,
				remedy: "Choose a state folder that may be written to",
				cause,
			});
		}
		return folder;
	}

	/** Every user, by name. @throws DataError `PSGL_USERS_DAMAGED`. */
	async list(): Promise<readonly User[]> {
		const names = (await readdir(this.#users)).filter((name) => name.endsWith(".json")).sort();
		const users = await Promise.all(names.map((name) => readRecord(join(this.#users, name), userRecord)));
		return users.filter((user) => user !== undefined);
	}

	/** @throws DataError `PSGL_USERS_DAMAGED`. */
	async find(name: string): Promise<User | undefined> {
		if (!userName.safeParse(name).success) return undefined;
		return readRecord(this.#userFile(name), userRecord);
	}

	/** Sets role and password of a user, new or not. @throws LimitError `PSGL_USERS_FULL`; ConfigError `PSGL_OUTPUT_UNWRITABLE`. */
	async put(name: string, role: Role, password: string): Promise<User> {
		if ((await this.find(name)) === undefined && (await this.list()).length >= limits.maxUsers) {
			throw new LimitError("PSGL_USERS_FULL", {
				what: "there is no place for another user",
				expected: `at most ${limits.maxUsers}`,
				remedy: "Remove one with psgl users remove",
			});
		}
		const changedAt = new Date(this.#clock.now()).toISOString();
		const user: User = { format: 1, name, role, password: await storePassword(password), changedAt };
		await writeOutput(this.#userFile(name), JSON.stringify(user), 0o600);
		return user;
	}

	/** Removes a user; their sessions end. @throws ConfigError `PSGL_USER_UNKNOWN`. */
	async remove(name: string): Promise<void> {
		if ((await this.find(name)) === undefined) {
			throw new ConfigError("PSGL_USER_UNKNOWN", {
				what: `there is no user ${name}`,
				expected: (await this.list()).map((user) => user.name).join(", ") || "nobody is there yet",
				remedy: "See psgl users list",
			});
		}
		await rm(this.#userFile(name), { force: true });
	}

	/**
	 * Lets one person set a password, once, for `limits.invitationMs`. Earlier invitations of that name end.
	 * @returns the token of the link
	 */
	async invite(role: Role, name?: string): Promise<{ readonly token: string; readonly expires: string }> {
		let kept = 0;
		for (const [file, open] of await this.#openInvitations()) {
			const expired = Date.parse(open.expires) <= this.#clock.now();
			if (expired || open.name === name) await rm(file, { force: true });
			else kept++;
		}
		if (kept >= limits.maxUsers) {
			throw new LimitError("PSGL_USERS_FULL", {
				what: "there are too many open invitations",
				expected: `at most ${limits.maxUsers}`,
				remedy: "Wait until they expire",
			});
		}
		const token = randomBytes(32).toString("base64url");
		const expires = new Date(this.#clock.now() + limits.invitationMs).toISOString();
		const invitation: Invitation = { format: 1, role, expires, ...(name !== undefined && { name }) };
		await writeOutput(this.#invitationFile(token), JSON.stringify(invitation), 0o600);
		return { token, expires };
	}

	/** The invitation of a token while it can be accepted. */
	async invitation(token: string): Promise<Invitation | undefined> {
		const found = await readRecord(this.#invitationFile(token), invitationRecord);
		return found !== undefined && Date.parse(found.expires) > this.#clock.now() ? found : undefined;
	}

	/** Uses an invitation up; false for whoever comes second. */
	async claim(token: string): Promise<boolean> {
		try {
			await unlink(this.#invitationFile(token));
			return true;
		} catch {
			return false;
		}
	}

	async #openInvitations(): Promise<readonly (readonly [string, Invitation])[]> {
		const files = (await readdir(this.#invitations)).filter((name) => name.endsWith(".json"));
		const open = files.map(async (name) => {
			const file = join(this.#invitations, name);
			const record = await readRecord(file, invitationRecord);
			return record === undefined ? [] : [[file, record] as const];
		});
		return (await Promise.all(open)).flat();
	}

	#userFile(name: string): string {
		return join(this.#users, `${name}.json`);
	}

	/** A hash, so that whoever reads the folder cannot accept. */
	#invitationFile(token: string): string {
		return join(this.#invitations, `${createHash("sha256").update(token).digest("hex")}.json`);
	}
}

/** Undefined when there is no such file. */
async function readRecord<S extends z.ZodType>(file: string, schema: S): Promise<z.output<S> | undefined> {
	let text: string;
	try {
		text = await readFile(file, "utf8");
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
		throw damaged(file, error);
	}
	try {
		return schema.parse(JSON.parse(text));
	} catch (error) {
		throw damaged(file, error);
	}
}

function damaged(file: string, cause: unknown): DataError {
	return new DataError("PSGL_USERS_DAMAGED", {
		what: "a file of the users cannot be read",
		got: `${file}: ${(cause as Error).message}`,
		remedy: "Remove it, and invite its user again with psgl users invite",
		cause,
	});
}
