import { unwatchFile, watchFile } from "node:fs";
import type { BrokerTls } from "../broker/tls.js";
import { authorityFiles, readAuthorityFile } from "../provision/authority-folder.js";
import type { Output } from "./output.js";

/** Milliseconds between looks at the revocation list and the certificate. */
const pollMs = 2000;

/** What the broker needs of a folder `psgl provision init` made. @throws ConfigError `PSGL_PKI_MISSING`. */
export async function readBrokerTls(folder: string): Promise<BrokerTls> {
	const files = authorityFiles(folder);
	return {
		certificate: await readAuthorityFile(files.brokerCertificate),
		key: await readAuthorityFile(files.brokerKey),
		authority: await readAuthorityFile(files.certificate),
		revocationList: await readAuthorityFile(files.revocationList),
	};
}

/** Takes up every change of the folder until disposed. @param renewTls where the certificates are in use */
export function followBrokerTls(
	folder: string,
	renewTls: (tls: BrokerTls) => Promise<void>,
	output: Output,
): Disposable {
	const { revocationList, brokerCertificate } = authorityFiles(folder);
	const renew = async () => {
		try {
			await renewTls(await readBrokerTls(folder));
			output.event("certificates", { folder }, `Certificates and revocation list of ${folder} taken up`);
		} catch (error) {
			output.error(error);
		}
	};
	const files = [revocationList, brokerCertificate];
	for (const file of files) watchFile(file, { interval: pollMs, persistent: false }, renew);
	return {
		[Symbol.dispose]() {
			for (const file of files) unwatchFile(file, renew);
		},
	};
}
