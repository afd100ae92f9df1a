import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { cloudLimits as limits } from "../../limits.js";
import type { StoredPassword } from "./user.js";

/** 32 MiB and about a fifth of a second of one core: the third setting of OWASP's password storage sheet for scrypt. */
const cost = { cost: 2 ** 15, blockSize: 8, parallelisation: 3 } as const;

const [saltBytes, hashBytes] = [16, 32];

/** Compared with when there is no such user, so that an answer takes as long. */
const nobody: StoredPassword = {
	...cost,
	salt: Buffer.alloc(saltBytes).toString("base64"),
	hash: Buffer.alloc(hashBytes).toString("base64"),
};

/** A password as it is kept. */
export async function storePassword(password: string): Promise<StoredPassword> {
	const salt = randomBytes(saltBytes);
	const hash = await derive(password, salt, cost);
	return { ...cost, salt: salt.toString("base64"), hash: hash.toString("base64") };
}

/** Whether it is the password; takes as long when there is none to compare with. */
export async function isPassword(password: string, stored: StoredPassword | undefined): Promise<boolean> {
	const { salt, hash, ...own } = stored ?? nobody;
	const found = await derive(password, Buffer.from(salt, "base64"), own);
	const kept = Buffer.from(hash, "base64");
	return kept.length === found.length && timingSafeEqual(found, kept) && stored !== undefined;
}

/** What is wrong with a new password; undefined when nothing is. */
export function passwordFault(password: string, name: string): string | undefined {
	const length = [...password].length;
	if (length < limits.passwordCharacters) return `${length} characters`;
	if (new Set(password).size < 5) return "the same few characters again and again";
	if (password.toLowerCase().includes(name) && password.length < 2 * name.length + limits.passwordCharacters) {
		return "a password with the user's name in it";
	}
	return undefined;
}

function derive(
	password: string,
	salt: Buffer,
	{ cost: N, blockSize: r, parallelisation: p }: Pick<StoredPassword, "cost" | "blockSize" | "parallelisation">,
): Promise<Buffer> {
	// The same characters are the same password, however a keyboard composes them.
	const text = password.normalize("NFKC");
	return new Promise((resolve, reject) => {
		scrypt(text, salt, hashBytes, { N, r, p, maxmem: 256 * N * r }, (error, key) => {
			if (error === null) resolve(key);
			else reject(error);
		});
	});
}
