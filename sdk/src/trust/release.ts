import { strFromU8, unzipSync } from "fflate";
import { z } from "zod";
import { maxArtifactBytes, releaseName, sha256 } from "../artifact/artifact.js";
import { ArtifactError } from "../errors.js";
import type { Root } from "./root.js";
import {
	countSigners,
	parseDocument,
	type SignedDocument,
	type SigningKey,
	signDocument,
	signedDocumentSchema,
} from "./signed-document.js";
import { trustLimits } from "./trust-limits.js";

const releaseSchema = z.strictObject({
	format: z.literal(1),
	/** Name of the model, for people. */
	name: z.string().min(1).max(64),
	/** Never falls from one release to the next, whatever the model. */
	counter: z.int().min(1),
	expires: z.iso.datetime(),
	/** SHA-256 of the manifest, which has the digest and size of every other file. */
	manifest: z.string().regex(/^[0-9a-f]{64}$/),
	/** Unpacked bytes of everything but the release itself. */
	bytes: z.int().min(1),
});

/** What signers say of one model artifact. */
export type Release = Readonly<z.infer<typeof releaseSchema>>;

const releaseFileSchema = z.strictObject({
	release: signedDocumentSchema,
	/** Every root up to the newest one, oldest first. */
	roots: z.array(signedDocumentSchema).max(trustLimits.maxRoots),
});

/** The file `release.json` of an artifact. */
export type ReleaseFile = Readonly<z.infer<typeof releaseFileSchema>>;

/** Longest `release.json` that is read: every document full, with every signature. */
const maxReleaseBytes =
	(trustLimits.maxRoots + 1) * (2 * trustLimits.maxDocumentLength + trustLimits.maxRootKeys * 2 * 256);

/** Statement about the artifact with these bytes, as it is without a release. */
export async function releaseOf(
	artifact: Uint8Array,
	facts: Pick<Release, "name" | "counter" | "expires">,
): Promise<Release> {
	const { manifest, bytes } = await measure(artifact);
	return { format: 1, ...facts, manifest, bytes };
}

export function signRelease(release: Release, keys: readonly SigningKey[]): Promise<SignedDocument> {
	return signDocument("release", JSON.stringify(release), keys);
}

/**
 * The release in an artifact; nothing else of it is unpacked. Not checked yet: see `verifyRelease`.
 * @throws ArtifactError `PSGL_MODEL_UNSIGNED` when it has none, `PSGL_MODEL_DOCUMENT`, `PSGL_ARTIFACT_FORMAT`.
 */
export function readRelease(artifact: Uint8Array): ReleaseFile {
	const bytes = unzip(artifact, (name, size) => name === releaseName && size <= maxReleaseBytes)[releaseName];
	if (bytes === undefined) {
		throw new ArtifactError("PSGL_MODEL_UNSIGNED", {
			what: "the model is not signed",
			expected: "a model signed by the keys this device trusts",
			remedy: "Sign it with psgl models sign",
		});
	}
	return parseReleaseFile(strFromU8(bytes));
}

/** @throws ArtifactError `PSGL_MODEL_DOCUMENT`. */
export function parseReleaseFile(text: string): ReleaseFile {
	return parseDocument("the release of the model", text, releaseFileSchema);
}

/** @throws ArtifactError `PSGL_MODEL_DOCUMENT`. */
export function parseRelease({ document }: SignedDocument): Release {
	return parseDocument("the release of the model", document, releaseSchema);
}

/**
 * Checks that enough keys of a root signed a release, and that the artifact is the one it speaks of: not larger, and with
 * that manifest. The files the manifest lists are checked when the artifact is opened.
 * @throws ArtifactError `PSGL_MODEL_SIGNATURES`, `PSGL_MODEL_SIZE`, `PSGL_MODEL_MISMATCH`, `PSGL_MODEL_DOCUMENT`.
 */
export async function verifyRelease(artifact: Uint8Array, signed: SignedDocument, root: Root): Promise<Release> {
	const signers = await countSigners(
		"release",
		signed,
		root.keys.map((key) => key.publicKey),
	);
	if (signers < root.threshold) {
		throw new ArtifactError("PSGL_MODEL_SIGNATURES", {
			what: "the model is not signed by enough of the keys this device trusts",
			got: `${signers} keys of root ${root.version}`,
			expected: `${root.threshold}`,
			remedy: "Sign it with psgl models sign and the keys of the newest root",
		});
	}
	const release = parseRelease(signed);
	await requireOwnRelease(artifact, release);
	return release;
}

/** Checks that a release speaks of an artifact. @throws ArtifactError `PSGL_MODEL_SIZE`, `PSGL_MODEL_MISMATCH`. */
export async function requireOwnRelease(artifact: Uint8Array, release: Release): Promise<void> {
	const { manifest, bytes } = await measure(artifact, release.bytes);
	if (manifest === release.manifest && bytes === release.bytes) return;
	throw new ArtifactError("PSGL_MODEL_MISMATCH", {
		what: "the model and its release do not belong together",
		got: `a manifest with digest ${manifest}`,
		expected: release.manifest,
		remedy: "Sign the model again with this version of psgl, and send it whole",
	});
}

/** Unpacked bytes of everything but the release, and the manifest's digest; refused before more than `most` is unpacked. */
async function measure(artifact: Uint8Array, most: number = maxArtifactBytes) {
	let bytes = 0;
	const found = unzip(artifact, (name, size) => {
		if (name !== releaseName) bytes += size;
		return name === "manifest.json" && bytes <= most;
	})["manifest.json"];
	if (bytes > most) {
		throw new ArtifactError("PSGL_MODEL_SIZE", {
			what: "the model is larger than its signers said",
			got: `${bytes} bytes unpacked`,
			expected: `${most}`,
			remedy: "Fetch it again from your own aggregator",
		});
	}
	if (found === undefined) throw notAnArtifact("it holds no manifest.json");
	return { manifest: await sha256(found), bytes };
}

function unzip(artifact: Uint8Array, wanted: (name: string, size: number) => boolean): Record<string, Uint8Array> {
	try {
		return unzipSync(artifact, { filter: ({ name, originalSize }) => wanted(name, originalSize) });
	} catch (cause) {
		throw notAnArtifact((cause as Error).message, cause);
	}
}

function notAnArtifact(got: string, cause?: unknown): ArtifactError {
	return new ArtifactError("PSGL_ARTIFACT_FORMAT", {
		what: "this is not a psgl artifact, or it is damaged",
		got,
		remedy: "Make one with psgl compile",
		cause,
	});
}
