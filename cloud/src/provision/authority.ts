import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Clock, ConfigError, systemClock } from "@psgl/sdk";
import { writeOutput } from "../files/write-output.js";
import {
	type AuthorityFiles,
	authorityFiles,
	makeAuthorityFolders,
	readAll,
	readAuthorityFile,
} from "./authority-folder.js";
import { readRequest } from "./certificate-request.js";
import { authorityCertificate, brokerCertificate, commonName, deviceCertificate } from "./certificates.js";
import { dayMs } from "./day.js";
import { newKeyPair, type PrivateKey, privateKeyFromPem, privateKeyPem, x509 } from "./x509.js";

/** What the authority knows of a device certificate. */
export interface IssuedCertificate {
	readonly device: string;
	/** Hexadecimal. */
	readonly serial: string;
	readonly notBefore: Date;
	readonly notAfter: Date;
	/** Undefined while it is not revoked. */
	readonly revoked: { readonly at: Date; readonly reason: string } | undefined;
}

/** A certificate in PEM and, when the authority made the key, the key (PKCS #8, PEM). */
export interface DeviceCredentials {
	readonly certificate: string;
	readonly key: string | undefined;
	readonly serial: string;
	readonly notAfter: Date;
}

export interface AuthorityOptions {
	readonly clock?: Clock | undefined;
}

export interface NewAuthorityOptions extends AuthorityOptions {
	/** Common name of the authority, shown in certificates. */
	readonly name: string;
	/** Days its own certificate is valid. */
	readonly days: number;
}

/**
 * The certificate authority of one psgl installation: a folder with its key, and every certificate it gave out.
 * Certificates and revocations are a file each, so that two programs at once do not lose one another's.
 */
export class CertificateAuthority {
	readonly files: AuthorityFiles;
	/** In PEM. */
	readonly certificatePem: string;
	readonly #certificate: x509.X509Certificate;
	readonly #key: PrivateKey;
	readonly #clock: Clock;

	private constructor(files: AuthorityFiles, pem: string, key: PrivateKey, clock: Clock) {
		this.files = files;
		this.certificatePem = pem;
		this.#certificate = new x509.X509Certificate(pem);
		this.#key = key;
		this.#clock = clock;
	}

	/**
	 * Makes an authority in a folder that has none.
	 * @throws ConfigError `PSGL_PKI_EXISTS`, `PSGL_OUTPUT_UNWRITABLE`.
	 */
	static async create(folder: string, options: NewAuthorityOptions): Promise<CertificateAuthority> {
		const files = authorityFiles(folder);
		const clock = options.clock ?? systemClock;
		if (existsSync(files.key) || existsSync(files.certificate)) {
			throw new ConfigError("PSGL_PKI_EXISTS", {
				what: "this folder holds a certificate authority already",
				got: files.certificate,
				remedy: "Choose another folder with --pki; a new authority would shut out every device of the old one",
			});
		}
		const keys = await newKeyPair();
		const certificate = await authorityCertificate(keys, options.name, { nowMs: clock.now(), days: options.days });
		await makeAuthorityFolders(files);
		await writeOutput(files.key, await privateKeyPem(keys.privateKey), 0o600);
		const pem = `${certificate.toString("pem")}\n`;
		await writeOutput(files.certificate, pem);
		const authority = new CertificateAuthority(files, pem, keys.privateKey, clock);
		await authority.#writeRevocationList();
		return authority;
	}

	/** @throws ConfigError `PSGL_PKI_MISSING`, `PSGL_PKI_DAMAGED`. */
	static async open(folder: string, options: AuthorityOptions = {}): Promise<CertificateAuthority> {
		const files = authorityFiles(folder);
		const pem = await readAuthorityFile(files.certificate);
		const keyPem = await readAuthorityFile(files.key);
		try {
			return new CertificateAuthority(files, pem, await privateKeyFromPem(keyPem), options.clock ?? systemClock);
		} catch (cause) {
			throw damaged(files.folder, cause);
		}
	}

	/** Makes or renews the broker's key and certificate for these host names and addresses. */
	async issueBroker(hosts: readonly string[], days: number): Promise<Date> {
		const keys = await newKeyPair();
		const validity = this.#validity(days);
		const certificate = await brokerCertificate(this.#certificate, this.#key, keys.publicKey, hosts, validity);
		await writeOutput(this.files.brokerKey, await privateKeyPem(keys.privateKey), 0o600);
		await writeOutput(this.files.brokerCertificate, `${certificate.toString("pem")}\n`);
		return certificate.notAfter;
	}

	/**
	 * Gives a device a certificate: for the key of its own request (PKCS #10, RFC 2986), or for a key made here.
	 * @param options.renew gives another one while the device has one that is valid; both work until they expire
	 * @throws ConfigError `PSGL_PKI_ISSUED` when it has one, `PSGL_PKI_REQUEST` when the request cannot be used.
	 */
	async issueDevice(
		id: string,
		options: { readonly days: number; readonly request?: string | undefined; readonly renew?: boolean | undefined },
	): Promise<DeviceCredentials> {
		const valid = (await this.list()).filter(({ device }) => device === id).find((each) => this.#isValid(each));
		if (valid !== undefined && options.renew !== true) throw alreadyIssued(valid);
		const keys = options.request === undefined ? await newKeyPair() : undefined;
		const publicKey = keys?.publicKey ?? (await readRequest(options.request as string, id));
		const validity = this.#validity(options.days);
		const certificate = await deviceCertificate(this.#certificate, this.#key, publicKey, id, validity);
		const pem = `${certificate.toString("pem")}\n`;
		await writeOutput(join(this.files.issued, `${certificate.serialNumber}.crt`), pem);
		return {
			certificate: pem,
			key: keys && (await privateKeyPem(keys.privateKey)),
			serial: certificate.serialNumber,
			notAfter: certificate.notAfter,
		};
	}

	/**
	 * Revokes every certificate of a device that is not expired, and writes the list the broker reads.
	 * @throws ConfigError `PSGL_PKI_UNKNOWN` when it has none.
	 */
	async revoke(device: string, reason: string): Promise<readonly IssuedCertificate[]> {
		const found = (await this.list()).filter((each) => each.device === device && this.#isValid(each));
		if (found.length === 0) {
			throw new ConfigError("PSGL_PKI_UNKNOWN", {
				what: `device ${device} has no certificate to revoke`,
				remedy: "See psgl provision list",
			});
		}
		const at = new Date(this.#clock.now());
		for (const { serial } of found) {
			await writeOutput(join(this.files.revoked, `${serial}.json`), JSON.stringify({ at, reason }));
		}
		await this.#writeRevocationList();
		return found;
	}

	/** Every device certificate ever given out, by device and expiry. */
	async list(): Promise<readonly IssuedCertificate[]> {
		const revoked = await this.#revocations();
		const certificates = await readAll(this.files.issued, ".crt");
		return Array.from(certificates.values(), (pem): IssuedCertificate => {
			const certificate = parsed(this.files.issued, () => new x509.X509Certificate(pem));
			const { serialNumber: serial, notBefore, notAfter, subjectName } = certificate;
			return { device: commonName(subjectName), serial, notBefore, notAfter, revoked: revoked.get(serial) };
		}).sort((a, b) => a.device.localeCompare(b.device) || a.notAfter.getTime() - b.notAfter.getTime());
	}

	#isValid({ notAfter, revoked }: IssuedCertificate): boolean {
		return revoked === undefined && notAfter.getTime() > this.#clock.now();
	}

	/** No certificate outlives the authority's own. */
	#validity(days: number) {
		const nowMs = this.#clock.now();
		return { nowMs, days: Math.min(days, (this.#certificate.notAfter.getTime() - nowMs) / dayMs) };
	}

	async #revocations(): Promise<ReadonlyMap<string, { readonly at: Date; readonly reason: string }>> {
		const files = await readAll(this.files.revoked, ".json");
		const entries = Array.from(files, ([serial, text]) => {
			const { at, reason } = parsed(this.files.revoked, () => JSON.parse(text) as { at: string; reason: string });
			return [serial, { at: new Date(at), reason }] as const;
		});
		return new Map(entries);
	}

	/** The list (RFC 5280 section 5) is read where it is written, so it does not expire before the authority does. */
	async #writeRevocationList(): Promise<void> {
		const revoked = await this.#revocations();
		const list = await x509.X509CrlGenerator.create({
			issuer: this.#certificate.subjectName.toJSON(),
			thisUpdate: new Date(this.#clock.now()),
			nextUpdate: this.#certificate.notAfter,
			entries: Array.from(revoked, ([serialNumber, { at }]) => ({ serialNumber, revocationDate: at })),
			signingAlgorithm: { name: "ECDSA", hash: "SHA-256" },
			signingKey: this.#key,
		});
		// The library's own label is not the one of RFC 7468 section 6.
		await writeOutput(this.files.revocationList, `${x509.PemConverter.encode(list.rawData, "X509 CRL")}\n`);
	}
}

function alreadyIssued({ device, serial, notAfter }: IssuedCertificate): ConfigError {
	return new ConfigError("PSGL_PKI_ISSUED", {
		what: `device ${device} has a certificate`,
		got: `${serial}, valid until ${notAfter.toISOString()}`,
		remedy: "Renew it with --renew before it expires; revoke it first if its key may be in other hands",
	});
}

function parsed<T>(folder: string, parse: () => T): T {
	try {
		return parse();
	} catch (cause) {
		throw damaged(folder, cause);
	}
}

function damaged(folder: string, cause: unknown): ConfigError {
	return new ConfigError("PSGL_PKI_DAMAGED", {
		what: "a file of the certificate authority is damaged",
		got: `${folder}: ${(cause as Error).message}`,
		remedy: "Restore the folder from its backup",
		cause,
	});
}
