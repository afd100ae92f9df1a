import { chmod, mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError } from "@psgl/sdk";

/** Files of a certificate authority's folder. */
export interface AuthorityFiles {
	readonly folder: string;
	/** The authority's certificate, which broker and devices trust. */
	readonly certificate: string;
	/** The authority's private key: whoever has it can enrol devices. */
	readonly key: string;
	/** What was revoked, signed by the authority. */
	readonly revocationList: string;
	readonly brokerCertificate: string;
	readonly brokerKey: string;
	/** Every device certificate, `SERIAL.crt`. */
	readonly issued: string;
	/** When and why a certificate was revoked, `SERIAL.json`. */
	readonly revoked: string;
}

export function authorityFiles(folder: string): AuthorityFiles {
	return {
		folder,
		certificate: join(folder, "ca.crt"),
		key: join(folder, "ca.key"),
		revocationList: join(folder, "ca.crl"),
		brokerCertificate: join(folder, "broker.crt"),
		brokerKey: join(folder, "broker.key"),
		issued: join(folder, "issued"),
		revoked: join(folder, "revoked"),
	};
}

/** Makes the folders, readable for their owner only. @throws ConfigError `PSGL_OUTPUT_UNWRITABLE`. */
export async function makeAuthorityFolders(files: AuthorityFiles): Promise<void> {
	try {
		await mkdir(files.folder, { recursive: true, mode: 0o700 });
		await chmod(files.folder, 0o700);
		await mkdir(files.issued, { recursive: true });
		await mkdir(files.revoked, { recursive: true });
	} catch (cause) {
		throw new ConfigError("PSGL_OUTPUT_UNWRITABLE", {
			what: `the folder ${files.folder} cannot be made`,
			got: (cause as Error).message,
			remedy: "Choose a folder that may be written to",
			cause,
		});
	}
}

/** A file of the authority. @throws ConfigError `PSGL_PKI_MISSING`. */
export async function readAuthorityFile(path: string): Promise<string> {
	try {
		return await readFile(path, "utf8");
	} catch (cause) {
		throw new ConfigError("PSGL_PKI_MISSING", {
			what: "this folder holds no certificate authority, or a part of it cannot be read",
			got: `${path}: ${(cause as Error).message}`,
			remedy: "Make one with psgl provision init, or name its folder with --pki",
			cause,
		});
	}
}

/** Contents of the files in a folder of the authority whose names end so, by name without the ending. */
export async function readAll(folder: string, ending: string): Promise<ReadonlyMap<string, string>> {
	const names = await readdir(folder).catch((): string[] => []);
	const found = new Map<string, string>();
	for (const name of names.sort()) {
		if (name.endsWith(ending)) {
			found.set(name.slice(0, -ending.length), await readAuthorityFile(join(folder, name)));
		}
	}
	return found;
}
