import { randomBytes } from "node:crypto";
import { isIP } from "node:net";
import { dayMs } from "./day.js";
import { type KeyPair, keyAlgorithm, type PrivateKey, x509 } from "./x509.js";

/** A certificate is valid from a day before it was made on: devices' clocks may be slow by as much. */
export const backdatedMs = dayMs;

export interface Validity {
	readonly nowMs: number;
	readonly days: number;
}

/** The authority's own certificate: it signs broker and device certificates, no further authorities (RFC 5280 section 4.2.1.9). */
export async function authorityCertificate(
	keys: KeyPair,
	name: string,
	validity: Validity,
): Promise<x509.X509Certificate> {
	const { KeyUsageFlags } = x509;
	return x509.X509CertificateGenerator.createSelfSigned({
		...common(validity),
		name: [{ CN: [name] }],
		keys,
		extensions: [
			new x509.BasicConstraintsExtension(true, 0, true),
			new x509.KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
			await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
		],
	});
}

/** A certificate of the broker for the host names and addresses devices reach it by. */
export function brokerCertificate(
	authority: x509.X509Certificate,
	signingKey: PrivateKey,
	publicKey: x509.PublicKeyType,
	hosts: readonly string[],
	validity: Validity,
): Promise<x509.X509Certificate> {
	const names = hosts.map((host) => ({ type: isIP(host) > 0 ? ("ip" as const) : ("dns" as const), value: host }));
	return leaf(authority, signingKey, publicKey, "psgl broker", validity, [
		new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
		new x509.SubjectAlternativeNameExtension(names),
	]);
}

/** A certificate of a device; its common name is the device's id. */
export function deviceCertificate(
	authority: x509.X509Certificate,
	signingKey: PrivateKey,
	publicKey: x509.PublicKeyType,
	id: string,
	validity: Validity,
): Promise<x509.X509Certificate> {
	return leaf(authority, signingKey, publicKey, id, validity, [
		new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth]),
	]);
}

async function leaf(
	authority: x509.X509Certificate,
	signingKey: PrivateKey,
	publicKey: x509.PublicKeyType,
	name: string,
	validity: Validity,
	extensions: readonly x509.Extension[],
): Promise<x509.X509Certificate> {
	return x509.X509CertificateGenerator.create({
		...common(validity),
		subject: [{ CN: [name] }],
		issuer: authority.subjectName.toJSON(),
		publicKey,
		signingKey,
		extensions: [
			new x509.BasicConstraintsExtension(false, undefined, true),
			new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
			await x509.SubjectKeyIdentifierExtension.create(publicKey),
			await x509.AuthorityKeyIdentifierExtension.create(authority),
			...extensions,
		],
	});
}

function common({ nowMs, days }: Validity) {
	return {
		serialNumber: newSerial(),
		notBefore: new Date(nowMs - backdatedMs),
		notAfter: new Date(nowMs + days * dayMs),
		signingAlgorithm: keyAlgorithm,
	};
}

/** 127 random bits in hex, positive and without a leading zero byte (RFC 5280 section 4.1.2.2). */
function newSerial(): string {
	const bytes = randomBytes(16);
	bytes[0] = ((bytes[0] as number) & 0x7f) | 0x40;
	return bytes.toString("hex");
}

/** The common name of a distinguished name; empty when it has none. */
export function commonName(name: x509.Name): string {
	return name.getField("CN")[0] ?? "";
}
