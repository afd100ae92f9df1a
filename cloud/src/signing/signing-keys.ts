import { createPrivateKey, createPublicKey, generateKeyPairSync } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { ConfigError } from "@psgl/sdk";
import type { SigningKey } from "@psgl/sdk/trust";

/** A key that is in no file yet. */
export interface NewSigningKey extends SigningKey {
	readonly name: string;
	/** PKCS #8, PEM. */
	readonly pem: string;
}

/** Makes an Ed25519 key. */
export async function newSigningKey(name: string): Promise<NewSigningKey> {
	const pem = generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }) as string;
	return { name, pem, ...(await signingKey(pem)) };
}

/** @throws ConfigError `PSGL_SIGNING_KEY`. */
export async function readSigningKey(file: string): Promise<SigningKey> {
	try {
		return await signingKey(await readFile(file, "utf8"));
	} catch (cause) {
		throw new ConfigError("PSGL_SIGNING_KEY", {
			what: "a signing key cannot be used",
			// Not the cause's message: it may quote the file.
			got: `${file}${(cause as NodeJS.ErrnoException).code === "ENOENT" ? ", which is not there" : ""}`,
			expected: "a private key made by psgl models init or rotate",
			remedy: "Check the path given with --key",
		});
	}
}

/** A key or file of roots in use is not overwritten. @throws ConfigError `PSGL_SIGNING_EXISTS`. */
export function requireNew(file: string): void {
	if (!existsSync(file)) return;
	throw new ConfigError("PSGL_SIGNING_EXISTS", {
		what: "this would overwrite a key or root that devices may trust",
		got: file,
		remedy: "Change signers with psgl models rotate, or choose another folder with --roots",
	});
}

async function signingKey(pem: string): Promise<SigningKey> {
	const key = createPrivateKey(pem);
	const { x = "" } = createPublicKey(key).export({ format: "jwk" });
	const der = key.export({ type: "pkcs8", format: "der" });
	return {
		publicKey: Buffer.from(x, "base64url").toString("hex"),
		privateKey: await crypto.subtle.importKey("pkcs8", Uint8Array.from(der), "Ed25519", false, ["sign"]),
	};
}
