import { X509Certificate } from "node:crypto";

/** The first host name a certificate is for (RFC 5280 section 4.2.1.6); undefined when it is for addresses only. @param pem certificate */
export function certifiedName(pem: string): string | undefined {
	const { subjectAltName = "" } = new X509Certificate(pem);
	return /(?:^|, )DNS:([^,\s]+)/.exec(subjectAltName)?.[1];
}
