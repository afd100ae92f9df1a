import { ConfigError } from "@psgl/sdk";
import { commonName } from "./certificates.js";
import { keyAlgorithm, newKeyPair, privateKeyPem, x509 } from "./x509.js";

/** A key made where it is used, and the request for a certificate of it (PKCS #10, RFC 2986), both in PEM. */
export async function newRequest(id: string): Promise<{ readonly key: string; readonly request: string }> {
	const keys = await newKeyPair();
	const name = [{ CN: [id] }];
	const request = await x509.Pkcs10CertificateRequestGenerator.create({ name, keys, signingAlgorithm: keyAlgorithm });
	return { key: await privateKeyPem(keys.privateKey), request: `${request.toString("pem")}\n` };
}

/**
 * The public key of a request, after its signature showed that who asks has the private key.
 * @throws ConfigError `PSGL_PKI_REQUEST`.
 */
export async function readRequest(pem: string, id: string): Promise<x509.PublicKey> {
	let request: x509.Pkcs10CertificateRequest;
	try {
		request = new x509.Pkcs10CertificateRequest(pem);
	} catch (cause) {
		throw unusable((cause as Error).message, "a certificate request in PEM", cause);
	}
	const name = commonName(request.subjectName);
	if (name !== id) throw unusable(`a request of ${JSON.stringify(name)}`, `one whose common name is ${id}`);
	const { name: algorithm, namedCurve } = keyOf(request);
	if (algorithm !== keyAlgorithm.name || namedCurve !== keyAlgorithm.namedCurve) {
		throw unusable(`a key of ${algorithm} ${namedCurve ?? ""}`.trimEnd(), "an ECDSA key on P-256");
	}
	if (!(await request.verify().catch(() => false))) {
		throw unusable("a signature that does not fit the request", "one by the key of the request");
	}
	return request.publicKey;
}

/** Read when it is asked for: a request can be whole and its key not. */
function keyOf(request: x509.Pkcs10CertificateRequest): { readonly name: string; readonly namedCurve?: string } {
	try {
		return request.publicKey.algorithm;
	} catch (cause) {
		throw unusable(`a key that cannot be read: ${(cause as Error).message}`, "an ECDSA key on P-256", cause);
	}
}

function unusable(got: string, expected: string, cause?: unknown): ConfigError {
	return new ConfigError("PSGL_PKI_REQUEST", {
		what: "the certificate request cannot be used",
		got,
		expected,
		remedy: "Make it on the device with psgl provision request",
		cause,
	});
}
