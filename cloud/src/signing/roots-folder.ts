import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError } from "@psgl/sdk";
import { followRoots, openRoot, type SignedDocument, signedDocumentSchema, type TrustedRoot } from "@psgl/sdk/trust";
import { writeOutput } from "../files/write-output.js";
import { type NewSigningKey, requireNew } from "./signing-keys.js";

/** Every root there was, oldest first, and the newest one read. */
export interface Roots {
	readonly documents: readonly SignedDocument[];
	readonly newest: TrustedRoot;
}

/** File of all roots in a folder. None of it is secret. */
export function rootsFile(folder: string): string {
	return join(folder, "roots.json");
}

/**
 * Reads the roots of a folder and checks that each follows from the one before.
 * @throws ConfigError `PSGL_ROOTS`; ArtifactError as `openRoot` and `followRoots`.
 */
export async function readRoots(folder: string): Promise<Roots> {
	const file = rootsFile(folder);
	let documents: readonly SignedDocument[];
	try {
		documents = signedDocumentSchema
			.array()
			.min(1)
			.parse(JSON.parse(await readFile(file, "utf8")));
	} catch (cause) {
		throw new ConfigError("PSGL_ROOTS", {
			what: "this folder holds no roots of signed models, or they cannot be read",
			got: file,
			remedy: "Make them with psgl models init, or name the folder with --roots",
			cause,
		});
	}
	return { documents, newest: await newestRoot(documents) };
}

/**
 * Writes all roots, once each follows from the one before, after the keys of new signers.
 * @throws as `followRoots`; ConfigError `PSGL_SIGNING_EXISTS`, `PSGL_OUTPUT_UNWRITABLE`.
 */
export async function writeRoots(
	folder: string,
	documents: readonly SignedDocument[],
	keys: readonly NewSigningKey[],
): Promise<void> {
	await newestRoot(documents);
	for (const { name } of keys) requireNew(keyFile(folder, name));
	await mkdir(folder, { recursive: true, mode: 0o700 });
	for (const { name, pem } of keys) await writeOutput(keyFile(folder, name), pem, 0o600);
	await writeOutput(rootsFile(folder), `${JSON.stringify(documents, null, "\t")}\n`);
}

/** Private key of a signer, made in the folder; it may lie anywhere else. */
function keyFile(folder: string, signer: string): string {
	return join(folder, `${signer}.key`);
}

async function newestRoot(documents: readonly SignedDocument[]): Promise<TrustedRoot> {
	const [first, ...later] = documents as [SignedDocument, ...SignedDocument[]];
	return followRoots({ root: await openRoot(first), signed: first }, later);
}
