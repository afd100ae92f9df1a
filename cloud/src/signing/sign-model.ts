import { clientHalf } from "@psgl/models";
import { ConfigError } from "@psgl/sdk";
import { type Artifact, encodeArtifact } from "@psgl/sdk/artifact";
import {
	parseRelease,
	parseReleaseFile,
	type Release,
	type ReleaseFile,
	releaseOf,
	requireOwnRelease,
	type SigningKey,
	signRelease,
	verifyRelease,
} from "@psgl/sdk/trust";
import type { Roots } from "./roots-folder.js";

/** A signed artifact. */
export interface SignedModel {
	readonly bytes: Uint8Array;
	readonly release: Release;
	/** Signatures it has now, and how many the root asks for. */
	readonly signatures: number;
	readonly threshold: number;
}

/** Facts of a new release. */
export interface ReleaseFacts {
	readonly counter: number;
	/** ISO 8601, UTC. */
	readonly expires: string;
}

/**
 * Puts a release of the client half into an artifact. Without `facts` the keys sign the release that is there: signers on
 * different machines sign one after the other.
 * @throws ConfigError `PSGL_SIGNING_KEY` when a key is not one of the newest root's, `PSGL_RELEASE_MISSING`; ArtifactError
 * `PSGL_MODEL_DOCUMENT`, `PSGL_MODEL_MISMATCH`, `PSGL_MODEL_SIZE`.
 */
export async function signModel(
	artifact: Artifact,
	keys: readonly SigningKey[],
	{ documents, newest }: Roots,
	facts: ReleaseFacts | undefined,
): Promise<SignedModel> {
	const { root } = newest;
	const stranger = keys.find(({ publicKey }) => root.keys.every((key) => key.publicKey !== publicKey));
	if (stranger !== undefined) throw notOfRoot(stranger.publicKey, root.version);
	const half = await clientHalf(artifact);
	const before = facts === undefined ? await openOwn(half, artifact.release) : undefined;
	const release = facts
		? await releaseOf(half, { name: artifact.manifest.name, ...facts })
		: parseRelease((before as ReleaseFile).release);
	const own = before?.release ?? { document: JSON.stringify(release), signatures: [] };
	const added = await signRelease(release, keys);
	const known = own.signatures.filter(({ key }) => keys.every(({ publicKey }) => publicKey !== key));
	const signed = { document: own.document, signatures: [...known, ...added.signatures] };
	const file: ReleaseFile = { release: signed, roots: [...documents] };
	const { members: _, ...draft } = artifact.manifest;
	const bytes = await encodeArtifact(draft, artifact.graphs, artifact.tensors, { release: JSON.stringify(file) });
	if (signed.signatures.length >= root.threshold) await verifyRelease(half, signed, root);
	return { bytes, release, signatures: signed.signatures.length, threshold: root.threshold };
}

async function openOwn(half: Uint8Array, text: string | undefined): Promise<ReleaseFile> {
	if (text === undefined) {
		throw new ConfigError("PSGL_RELEASE_MISSING", {
			what: "the artifact has no release to sign",
			remedy: "The first signer makes it: psgl models sign without --join",
		});
	}
	const file = parseReleaseFile(text);
	await requireOwnRelease(half, parseRelease(file.release));
	return file;
}

function notOfRoot(got: string, version: number): ConfigError {
	return new ConfigError("PSGL_SIGNING_KEY", {
		what: "a signing key is none of the newest root's",
		got: `public key ${got}`,
		expected: `a key of root ${version}`,
		remedy: "Sign with keys devices trust, or add this one with psgl models rotate",
	});
}
