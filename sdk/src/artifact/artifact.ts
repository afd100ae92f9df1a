import { strFromU8, strToU8, unzipSync, type Zippable, zipSync } from "fflate";
import { ArtifactError, LimitError } from "../errors.js";
import { toHex } from "../hex.js";
import { type Tensor, tensorBytes, tensorFromBytes } from "../tensor.js";
import { type Manifest, manifestSchema } from "./manifest.js";

/** Largest artifact psgl opens, in bytes, packed or unpacked. */
export const maxArtifactBytes = 256 * 1024 * 1024;

const manifestName = "manifest.json";
const manifestDigestName = "manifest.sha256";

/** File of an artifact with what its signers say of it (docs/artifact.md). */
export const releaseName = "release.json";

/**
 * A model artifact in memory: the manifest, ONNX graphs (`client/forward` …) and weights
 * (`client/params` …). The file format is in docs/artifact.md.
 */
export interface Artifact {
	readonly manifest: Manifest;
	/** ONNX bytes by graph name. */
	readonly graphs: ReadonlyMap<string, Uint8Array>;
	/** Flat vectors by name. */
	readonly tensors: ReadonlyMap<string, Tensor<"float32">>;
	/** Text of what signers say of the client half; not checked. */
	readonly release?: string | undefined;
}

/** Manifest without what `encodeArtifact` computes. */
export type ManifestDraft = Omit<Manifest, "members">;

export interface EncodingOptions {
	/** Text of what signers say of the client half (docs/security.md). */
	readonly release?: string | undefined;
}

/** SHA-256 in hex. */
export async function sha256(bytes: Uint8Array): Promise<string> {
	const digest = await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>);
	return toHex(new Uint8Array(digest));
}

/** Packs an artifact into the bytes of a `.psgl` file. The same artifact gives the same bytes. */
export async function encodeArtifact(
	draft: ManifestDraft,
	graphs: ReadonlyMap<string, Uint8Array>,
	tensors: ReadonlyMap<string, Tensor<"float32">>,
	options: EncodingOptions = {},
): Promise<Uint8Array> {
	const files = new Map<string, Uint8Array>();
	const members: Manifest["members"] = {};
	for (const [name, bytes] of graphs) {
		files.set(`${name}.onnx`, bytes);
		members[`${name}.onnx`] = { sha256: await sha256(bytes), bytes: bytes.byteLength };
	}
	for (const [name, t] of tensors) {
		const bytes = tensorBytes(t);
		files.set(`${name}.f32`, bytes);
		members[`${name}.f32`] = {
			sha256: await sha256(bytes),
			bytes: bytes.byteLength,
			tensor: { dtype: "float32", dims: [...t.dims] },
		};
	}
	const manifest = strToU8(JSON.stringify({ ...draft, members }, null, "\t"));
	const entries: Zippable = { [manifestName]: manifest, [manifestDigestName]: strToU8(await sha256(manifest)) };
	if (options.release !== undefined) entries[releaseName] = strToU8(options.release);
	// Weights hardly compress, and take most of the time.
	for (const [name, bytes] of files) entries[name] = [bytes, { level: name.endsWith(".f32") ? 0 : 6 }];
	// A fixed time stamp: equal artifacts have equal bytes, so a digest names a model.
	return zipSync(entries, { mtime: new Date("2000-01-01T12:00:00Z") });
}

/**
 * Opens the bytes of a `.psgl` file and checks every digest. Who made it, its release says (`@psgl/sdk/trust`).
 * @throws ArtifactError `PSGL_ARTIFACT_FORMAT`, `PSGL_ARTIFACT_VERSION`, `PSGL_ARTIFACT_DIGEST`; LimitError `PSGL_ARTIFACT_TOO_LARGE`; ShapeError `PSGL_TENSOR_LENGTH`.
 */
export async function decodeArtifact(bytes: Uint8Array): Promise<Artifact> {
	const files = unpack(bytes);
	const manifestBytes = files.get(manifestName);
	if (manifestBytes === undefined) throw badFormat("it holds no manifest.json");
	const manifestDigest = files.get(manifestDigestName);
	if (manifestDigest === undefined) throw badFormat(`it lacks ${manifestDigestName}`);
	await verifyDigest(manifestName, manifestBytes, strFromU8(manifestDigest));
	const manifest = parseManifest(manifestBytes);
	const graphs = new Map<string, Uint8Array>();
	const tensors = new Map<string, Tensor<"float32">>();
	for (const [name, member] of Object.entries(manifest.members)) {
		const content = files.get(name);
		if (content === undefined) throw badFormat(`it lacks ${name}`);
		await verifyDigest(name, content, member.sha256);
		if (member.tensor === undefined) graphs.set(name.replace(/\.onnx$/, ""), content);
		else tensors.set(name.replace(/\.f32$/, ""), tensorFromBytes("float32", member.tensor.dims, content));
	}
	const release = files.get(releaseName);
	return { manifest, graphs, tensors, ...(release && { release: strFromU8(release) }) };
}

/** Graph of an artifact. @throws ArtifactError `PSGL_ARTIFACT_MEMBER` when it has none of that name. */
export function artifactGraph(artifact: Artifact, name: string): Uint8Array {
	const graph = artifact.graphs.get(name);
	if (graph === undefined) throw missingMember(artifact, name);
	return graph;
}

/** Flat vector of an artifact. @throws ArtifactError `PSGL_ARTIFACT_MEMBER` when it has none of that name. */
export function artifactTensor(artifact: Artifact, name: string): Tensor<"float32"> {
	const found = artifact.tensors.get(name);
	if (found === undefined) throw missingMember(artifact, name);
	return found;
}

function missingMember(artifact: Artifact, name: string): ArtifactError {
	return new ArtifactError("PSGL_ARTIFACT_MEMBER", {
		what: "the artifact lacks a part",
		got: Object.keys(artifact.manifest.members).join(", "),
		expected: name,
		remedy:
			artifact.manifest.part === "client"
				? "This is the client half; the server's parts are in the joint artifact"
				: "Compile the artifact again with this version of psgl",
	});
}

function unpack(bytes: Uint8Array): ReadonlyMap<string, Uint8Array> {
	let total = 0;
	try {
		const files = unzipSync(bytes, {
			filter: (file) => {
				total += file.originalSize;
				if (total > maxArtifactBytes) {
					throw new LimitError("PSGL_ARTIFACT_TOO_LARGE", {
						what: "the artifact is too large",
						got: `at least ${total} bytes unpacked`,
						expected: `at most ${maxArtifactBytes}`,
					});
				}
				return true;
			},
		});
		return new Map(Object.entries(files));
	} catch (cause) {
		if (cause instanceof LimitError) throw cause;
		throw badFormat((cause as Error).message, cause);
	}
}

function parseManifest(bytes: Uint8Array): Manifest {
	let json: unknown;
	try {
		json = JSON.parse(strFromU8(bytes));
	} catch (cause) {
		throw badFormat("its manifest is not JSON", cause);
	}
	const format = (json as { format?: unknown } | null)?.format;
	if (format !== 1) {
		throw new ArtifactError("PSGL_ARTIFACT_VERSION", {
			what: "the artifact has a format this program does not know",
			got: `format ${String(format)}`,
			expected: "format 1",
			remedy: "Update psgl on this machine, or compile the artifact with this version",
		});
	}
	const parsed = manifestSchema.safeParse(json);
	if (!parsed.success) {
		const issue = parsed.error.issues[0];
		throw badFormat(`manifest field ${issue?.path.join(".")}: ${issue?.message}`);
	}
	return parsed.data;
}

async function verifyDigest(name: string, content: Uint8Array, expected: string): Promise<void> {
	const found = await sha256(content);
	if (found === expected) return;
	throw new ArtifactError("PSGL_ARTIFACT_DIGEST", {
		what: `${name} in the artifact was changed or damaged`,
		got: found,
		expected,
		remedy: "Fetch the artifact again",
	});
}

function badFormat(got: string, cause?: unknown): ArtifactError {
	return new ArtifactError("PSGL_ARTIFACT_FORMAT", {
		what: "this is not a psgl artifact, or it is damaged",
		got,
		remedy: "Make one with psgl compile",
		cause,
	});
}
