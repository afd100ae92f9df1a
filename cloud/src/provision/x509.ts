// @peculiar/x509 needs the polyfill loaded before it.
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";

x509.cryptoProvider.set(webcrypto);

export { x509 };

/** ECDSA on P-256 with SHA-256: what every peer of TLS 1.3 has to know (RFC 8446 section 9.1). */
export const keyAlgorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

export type PrivateKey = webcrypto.CryptoKey;
export type KeyPair = webcrypto.CryptoKeyPair;

/** A new key pair on P-256. */
export function newKeyPair(): Promise<KeyPair> {
	return webcrypto.subtle.generateKey(keyAlgorithm, true, ["sign", "verify"]);
}

/** A private key as PKCS #8 (RFC 5958) in PEM (RFC 7468). */
export async function privateKeyPem(key: PrivateKey): Promise<string> {
	return `${x509.PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY")}\n`;
}

/** The private key in a PEM text. @throws an error of the parser when it is none. */
export function privateKeyFromPem(pem: string): Promise<PrivateKey> {
	return webcrypto.subtle.importKey("pkcs8", x509.PemConverter.decodeFirst(pem), keyAlgorithm, false, ["sign"]);
}
