import { isIP } from "node:net";
import { createSecureContext, type TLSSocket, type TlsOptions } from "node:tls";
import { ConfigError, ConnectionError } from "@psgl/sdk";
import { cloudLimits as limits } from "../limits.js";
import { x509 } from "../provision/x509.js";

/** What a broker proves itself with, and whom it lets in. All in PEM, as `psgl provision` writes them. */
export interface BrokerTls {
	readonly certificate: string;
	readonly key: string;
	/** Certificate of the authority that signed the devices' certificates. */
	readonly authority: string;
	/** The authority's revocation list (RFC 5280 section 5). */
	readonly revocationList: string;
}

/** Who is at the other end of a connection, by its certificate. */
export interface PeerIdentity {
	/** Common name: the id of the device. */
	readonly device: string;
	/** Hexadecimal, lower case. */
	readonly serial: string;
}

/** Whether an address can be reached from this machine only. */
export function isLoopback(host: string): boolean {
	return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

/** Certificates that were checked to fit together. */
export interface CheckedTls {
	readonly options: TlsOptions;
	/** Serial numbers of revoked certificates, hexadecimal, lower case. */
	readonly revoked: ReadonlySet<string>;
}

/**
 * TLS 1.3 and a certificate from everyone. Whether a certificate will do is asked after the handshake (`peerIdentity`),
 * because OpenSSL would end the connection without telling why, and an operator has to know.
 * @throws ConfigError `PSGL_TLS_FILES` when key, certificates and revocation list do not belong together.
 */
export async function checkTls(tls: BrokerTls): Promise<CheckedTls> {
	const options = {
		cert: tls.certificate,
		key: tls.key,
		ca: tls.authority,
		minVersion: "TLSv1.3",
		requestCert: true,
		rejectUnauthorized: false,
		handshakeTimeout: limits.connectTimeoutMs,
	} as const;
	try {
		createSecureContext(options);
		return { options, revoked: await revokedSerials(tls) };
	} catch (cause) {
		throw new ConfigError("PSGL_TLS_FILES", {
			what: "the broker's certificates cannot be used",
			got: (cause as Error).message,
			expected: "broker.crt, broker.key, ca.crt and ca.crl of one authority",
			remedy: "Make them with psgl provision init, or name their folder with --pki",
			cause,
		});
	}
}

async function revokedSerials({ authority, revocationList }: BrokerTls): Promise<ReadonlySet<string>> {
	const list = new x509.X509Crl(x509.PemConverter.decodeFirst(revocationList));
	if (!(await list.verify({ publicKey: new x509.X509Certificate(authority) }))) {
		throw new Error("the revocation list is not signed by this authority");
	}
	return new Set(list.entries.map(({ serialNumber }) => serialNumber.toLowerCase()));
}

/** Why OpenSSL does not trust a certificate, in words an operator can act on. */
const reasons: Readonly<Record<string, string>> = {
	CERT_HAS_EXPIRED: "its certificate has expired",
	CERT_NOT_YET_VALID: "its certificate is not valid yet: a clock is wrong",
	SELF_SIGNED_CERT_IN_CHAIN: "its certificate is from another authority",
	DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is signed by itself",
	UNABLE_TO_GET_ISSUER_CERT: "its certificate is from another authority",
	UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "its certificate is from another authority",
	UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its certificate is from another authority",
	CERT_SIGNATURE_FAILURE: "its certificate was changed",
	INVALID_PURPOSE: "its certificate is not one of a device",
};

/**
 * Who a connection is from.
 * @throws ConnectionError `PSGL_BROKER_CERTIFICATE` when it has no certificate, or one the broker must not accept.
 */
export function peerIdentity(socket: TLSSocket, revoked: ReadonlySet<string>): PeerIdentity {
	const { subject, serialNumber } = socket.getPeerCertificate();
	const device = typeof subject?.CN === "string" ? subject.CN : undefined;
	if (device === undefined) throw refused("no certificate that names a device");
	if (!socket.authorized) {
		// The types say Error where Node gives the code.
		const code = String(socket.authorizationError);
		throw refused(`${device}: ${reasons[code] ?? code}`);
	}
	const serial = serialNumber.toLowerCase();
	if (revoked.has(serial)) throw revokedError({ device, serial });
	return { device, serial };
}

/** The certificate was revoked. */
export function revokedError({ device, serial }: PeerIdentity): ConnectionError {
	return refused(`${device}: its certificate ${serial} is revoked`);
}

function refused(got: string): ConnectionError {
	return new ConnectionError("PSGL_BROKER_CERTIFICATE", {
		what: "a connection has no certificate this broker accepts",
		got,
		expected: "a valid device certificate of this broker's authority",
		remedy: "Give the device a new kit with psgl provision device, or check its clock",
	});
}

/** A connection that did not come to the end of its handshake: older TLS, plain MQTT, or no TLS at all. */
export function handshakeError(cause: Error): ConnectionError {
	return new ConnectionError("PSGL_BROKER_TLS", {
		what: "a connection did not get through the TLS handshake",
		got: cause.message,
		expected: "TLS 1.3",
		remedy: "Connect with mqtts:// and the device's kit",
		cause,
	});
}

/** Plain MQTT outside this machine was not asked for. */
export function plainOutsideLoopback(host: string): ConfigError {
	return new ConfigError("PSGL_PLAIN_OUTSIDE_LOOPBACK", {
		what: "the broker does not speak plain MQTT to other machines",
		got: host,
		expected: "a loopback address, or certificates",
		remedy:
			"Make certificates with psgl provision init and give --pki, or --plain-outside-loopback on a network that is closed by other means",
	});
}
