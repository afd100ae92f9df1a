import type { webcrypto } from "node:crypto";
import {
	type Release,
	type Root,
	releaseOf,
	type SignedDocument,
	type SigningKey,
	signRelease,
	signRoot,
} from "@psgl/sdk/trust";

/** A moment tests take as now, and an expiry a year later. */
export const signedAt = Date.UTC(2030, 0, 1);
export const validUntil = "2031-01-01T00:00:00.000Z";

/** A new Ed25519 key. */
export async function newSigner(): Promise<SigningKey> {
	const keys = (await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"])) as webcrypto.CryptoKeyPair;
	const raw = await crypto.subtle.exportKey("raw", keys.publicKey);
	return { publicKey: Buffer.from(raw).toString("hex"), privateKey: keys.privateKey };
}

/** A root that names `keys`, signed by `signers`. */
export function rootOf(
	keys: readonly SigningKey[],
	changed: Partial<Root> = {},
	signers: readonly SigningKey[] = keys,
): Promise<SignedDocument> {
	const named = keys.map(({ publicKey }, i) => ({ name: `signer ${i}`, publicKey }));
	return signRoot({ format: 1, version: 1, expires: validUntil, threshold: 2, keys: named, ...changed }, signers);
}

/** Text of a release of an artifact, signed by `signers`. */
export async function releaseText(
	artifact: Uint8Array,
	signers: readonly SigningKey[],
	{ roots = [], ...changed }: Partial<Release> & { readonly roots?: readonly SignedDocument[] } = {},
): Promise<string> {
	const release = await releaseOf(artifact, { name: "small", counter: 1, expires: validUntil });
	return JSON.stringify({ release: await signRelease({ ...release, ...changed }, signers), roots });
}
