import { z } from "zod";

/** What somebody may do: a viewer looks, an operator also acts. */
export const roles = ["viewer", "operator"] as const;

export type Role = (typeof roles)[number];

/** Names of users: they are names of files too. */
export const userName = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,31}$/, "1 to 32 of a-z, 0-9, dot, _ and -");

export const role = z.enum(roles);

const base64 = z.base64().max(128);

/** A password as it is kept: scrypt (RFC 7914) with its own salt and cost. */
export const storedPassword = z.strictObject({
	salt: base64,
	hash: base64,
	/** CPU and memory cost, block size, parallelisation: N, r and p of RFC 7914. */
	cost: z
		.int()
		.min(2 ** 10)
		.max(2 ** 17),
	blockSize: z.int().min(1).max(16),
	parallelisation: z.int().min(1).max(16),
});

export type StoredPassword = Readonly<z.infer<typeof storedPassword>>;

export const userRecord = z.strictObject({
	format: z.literal(1),
	name: userName,
	role,
	password: storedPassword,
	/** When role or password were set last: sessions opened before that end. */
	changedAt: z.iso.datetime(),
});

/** Somebody who may log in. */
export type User = Readonly<z.infer<typeof userRecord>>;

export const invitationRecord = z.strictObject({
	format: z.literal(1),
	/** Absent: whoever accepts chooses a name. */
	name: userName.optional(),
	role,
	expires: z.iso.datetime(),
});

/** Lets one person set a password, once. */
export type Invitation = Readonly<z.infer<typeof invitationRecord>>;
