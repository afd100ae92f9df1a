import { chmod, mkdir, open, readdir, readFile, rename, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
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
	await writing(files.folder, async () => {
		await mkdir(files.folder, { recursive: true, mode: 0o700 });
		await chmod(files.folder, 0o700);
		await mkdir(files.issued, { recursive: true });
		await mkdir(files.revoked, { recursive: true });
	});
}

/**
 * Writes a file whole or not at all, on disk when it returns. `mode` 0o600 keeps a private key to its owner.
 * @throws ConfigError `PSGL_OUTPUT_UNWRITABLE`.
 */
export async function writeWhole(path: string, content: string, mode = 0o644): Promise<void> {
	const temporary = `${path}.${process.pid}.part`;
	await writing(path, async () => {
		const file = await open(temporary, "w", mode);
		try {
			await file.writeFile(content);
			await file.sync();
		} finally {
			await file.close();
		}
		await rename(temporary, path);
		const folder = await open(dirname(path), "r");
		try {
			await folder.sync();
		} finally {
			await folder.close();
		}
	}).catch(async (error) => {
		await unlink(temporary).catch(() => undefined);
		throw error;
	});
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

async function writing(path: string, write: () => Promise<void>): Promise<void> {
	try {
		await write();
	} catch (cause) {
		throw new ConfigError("PSGL_OUTPUT_UNWRITABLE", {
			what: `${path} cannot be written`,
			got: (cause as Error).message,
			remedy: "Choose a folder that exists and may be written to",
			cause,
		});
	}
}
