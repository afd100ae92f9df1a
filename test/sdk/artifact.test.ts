import { ArtifactError, LimitError, ShapeError, type Tensor } from "@psgl/sdk";
import {
	type Artifact,
	artifactGraph,
	artifactTensor,
	decodeArtifact,
	type EncodingOptions,
	encodeArtifact,
	type Manifest,
	type ManifestDraft,
	maxArtifactBytes,
} from "@psgl/sdk/artifact";
import test from "ava";
import { strFromU8, strToU8, unzipSync, zipSync } from "fflate";

/** The manifest of a model of nothing much. */
const draft: ManifestDraft = {
	format: 1,
	part: "joint",
	name: "tiny",
	version: 3,
	network: "lenet",
	inputShape: [1, 8, 8],
	classes: ["dark", "bright"],
	packing: "none",
	normalise: null,
	smashedShape: [2, 4, 4],
	code: null,
	tail: null,
	disclosure: { release: "every-epoch", budgetBits: null },
	streams: ["A"],
	cutGradient: "fused",
	map: null,
	robustBudget: 0,
	recovery: { kind: "none" },
	optimiser: { kind: "sgd", learningRate: 0.1, momentum: 0, weightDecay: 0 },
	headLearningRateFactor: 1,
	loss: { kind: "cross-entropy", labelSmoothing: 0 },
	gradientClipping: null,
	accumulationSteps: 1,
	frozen: [],
	client: { params: [], stats: [], paramCount: 3, statCount: 0 },
	head: { paramCount: 0, params: [] },
	server: { params: [], stats: [], paramCount: 0, statCount: 0 },
	note: "synthetic",
};
const graphs = new Map([["client/infer", Uint8Array.from({ length: 40 }, (_, i) => i % 7)]]);
const weights: Tensor<"float32"> = { dtype: "float32", dims: [3], data: Float32Array.of(0.5, -0, Number.NaN) };
const tensors = new Map([["client/params", weights]]);

const tiny = (options: EncodingOptions = {}, changed: Partial<ManifestDraft> = {}) =>
	encodeArtifact({ ...draft, ...changed }, graphs, tensors, options);

/** What an artifact says, comparable. */
const contents = ({ manifest, graphs, tensors }: Artifact) => ({
	manifest,
	graphs: [...graphs],
	tensors: [...tensors],
});

/** The same container with some of its files changed (undefined: left out). */
async function repacked(files: Readonly<Record<string, Uint8Array | undefined>>): Promise<Uint8Array> {
	const entries = Object.entries({ ...unzipSync(await tiny()), ...files });
	return zipSync(Object.fromEntries(entries.filter(([, bytes]) => bytes !== undefined) as [string, Uint8Array][]));
}

/** A container whose manifest was changed by somebody who keeps its digest right. */
async function forged(change: (manifest: Manifest) => unknown): Promise<Uint8Array> {
	const manifest = JSON.parse(strFromU8(unzipSync(await tiny())["manifest.json"] as Uint8Array)) as Manifest;
	const bytes = strToU8(JSON.stringify(change(manifest)));
	const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>));
	return repacked({ "manifest.json": bytes, "manifest.sha256": strToU8(Buffer.from(digest).toString("hex")) });
}

test("what is packed is unpacked, bit for bit", async (t) => {
	const artifact = await decodeArtifact(await tiny());
	const { members, ...rest } = artifact.manifest;
	t.deepEqual(rest, draft);
	t.deepEqual(Object.keys(members).sort(), ["client/infer.onnx", "client/params.f32"]);
	t.deepEqual(artifactGraph(artifact, "client/infer"), graphs.get("client/infer"));
	t.deepEqual(artifactTensor(artifact, "client/params"), weights);
	t.true(Object.is(artifactTensor(artifact, "client/params").data[1], -0));
});

test("an artifact from before codes has none and releases in every epoch", async (t) => {
	const { manifest } = await decodeArtifact(await forged(({ code: _, disclosure: __, ...older }) => older));
	t.is(manifest.code, null);
	t.deepEqual(manifest.disclosure, { release: "every-epoch", budgetBits: null });
});

test("equal artifacts have equal bytes, others do not", async (t) => {
	t.deepEqual(await tiny(), await tiny());
	t.notDeepEqual(await tiny(), await tiny({}, { version: 4 }));
});

test("a part that is not there is named together with those that are", async (t) => {
	const artifact = await decodeArtifact(await tiny());
	const graph = t.throws(() => artifactGraph(artifact, "server/train"), { instanceOf: ArtifactError });
	t.is(graph?.code, "PSGL_ARTIFACT_MEMBER");
	t.regex(graph?.message ?? "", /client\/infer\.onnx.*server\/train/);
	t.is(t.throws(() => artifactTensor(artifact, "server/params"), { instanceOf: ArtifactError })?.code, graph?.code);
	const half = await decodeArtifact(await tiny({}, { part: "client", server: null }));
	t.regex(t.throws(() => artifactGraph(half, "server/train"))?.message ?? "", /client half/);
});

test("any byte that is changed is noticed or changes nothing", async (t) => {
	const bytes = await tiny();
	const intact = contents(await decodeArtifact(bytes));
	let noticed = 0;
	for (let i = 0; i < bytes.length; i++) {
		for (const mask of [0x01, 0x80]) {
			const damaged = bytes.slice();
			damaged[i] = (damaged[i] as number) ^ mask;
			try {
				t.deepEqual(contents(await decodeArtifact(damaged)), intact, `byte ${i}`);
			} catch (error) {
				t.true(error instanceof ArtifactError || error instanceof LimitError, `byte ${i}: ${String(error)}`);
				noticed++;
			}
		}
	}
	t.true(noticed > bytes.length);
});

test("an artifact cut short anywhere is refused", async (t) => {
	const bytes = await tiny();
	for (let length = 0; length < bytes.length; length++) {
		await t.throwsAsync(decodeArtifact(bytes.subarray(0, length)), { instanceOf: ArtifactError }, `${length} bytes`);
	}
});

const unusable: Readonly<Record<string, readonly [code: string, bytes: () => Uint8Array | Promise<Uint8Array>]>> = {
	"no zip": ["PSGL_ARTIFACT_FORMAT", () => strToU8("<!DOCTYPE html>")],
	"a zip of something else": ["PSGL_ARTIFACT_FORMAT", () => zipSync({ "a.txt": strToU8("a") })],
	"a manifest without its digest": ["PSGL_ARTIFACT_FORMAT", () => repacked({ "manifest.sha256": undefined })],
	"another manifest": ["PSGL_ARTIFACT_DIGEST", () => repacked({ "manifest.json": strToU8("{}") })],
	"a manifest that is a text": ["PSGL_ARTIFACT_VERSION", () => forged(() => "format")],
	"a manifest of nothing": ["PSGL_ARTIFACT_VERSION", () => forged(() => null)],
	"a newer format": ["PSGL_ARTIFACT_VERSION", () => forged((m) => ({ ...m, format: 2 }))],
	"an unknown field": ["PSGL_ARTIFACT_FORMAT", () => forged((m) => ({ ...m, run: "rm" }))],
	"one class": ["PSGL_ARTIFACT_FORMAT", () => forged((m) => ({ ...m, classes: ["all"] }))],
	"a negative extent": ["PSGL_ARTIFACT_FORMAT", () => forged((m) => ({ ...m, inputShape: [1, -8, 8] }))],
	"a code that is not the shape of the smashed data": [
		"PSGL_ARTIFACT_FORMAT",
		() => forged((m) => ({ ...m, code: { numbers: 4, bits: 2 } })),
	],
	"a code of nine bits": [
		"PSGL_ARTIFACT_FORMAT",
		() => forged((m) => ({ ...m, smashedShape: [4], code: { numbers: 4, bits: 9 } })),
	],
	"real numbers released once": [
		"PSGL_ARTIFACT_FORMAT",
		() => forged((m) => ({ ...m, disclosure: { release: "once", budgetBits: 9 } })),
	],
	"a refresh without a number": [
		"PSGL_ARTIFACT_FORMAT",
		() =>
			forged((m) => ({
				...m,
				smashedShape: [4],
				code: { numbers: 4, bits: 2 },
				disclosure: { release: "refresh", budgetBits: 9 },
			})),
	],
	"a member left out": ["PSGL_ARTIFACT_FORMAT", () => repacked({ "client/params.f32": undefined })],
	"another member": ["PSGL_ARTIFACT_DIGEST", () => repacked({ "client/infer.onnx": Uint8Array.of(1) })],
	"a member called as what every object has": [
		"PSGL_ARTIFACT_FORMAT",
		() => forged((m) => ({ ...m, members: { constructor: { sha256: "0".repeat(64), bytes: 1 } } })),
	],
};
for (const [what, [code, bytes]] of Object.entries(unusable)) {
	test(`${what} is refused with ${code}`, async (t) => {
		const error = await t.throwsAsync(decodeArtifact(await bytes()), { instanceOf: ArtifactError });
		t.is(error?.code, code);
		t.truthy(error?.remedy);
	});
}

test("weights of another length than the manifest says are refused", async (t) => {
	const bytes = await forged((m) => {
		const member = m.members["client/params.f32"] as Manifest["members"][string];
		const tensor = { dtype: "float32", dims: [1_000_000] };
		return { ...m, members: { ...m.members, "client/params.f32": { ...member, tensor } } };
	});
	t.is((await t.throwsAsync(decodeArtifact(bytes), { instanceOf: ShapeError }))?.code, "PSGL_TENSOR_LENGTH");
});

/** The artifact with these uncompressed sizes declared in its central directory (PKWARE APPNOTE 4.3.12). */
async function declaring(sizes: readonly number[]): Promise<Uint8Array> {
	const bytes = (await tiny()).slice();
	const view = new DataView(bytes.buffer);
	let at = bytes.findIndex((_, i) => i + 4 <= bytes.length && view.getUint32(i, true) === 0x02014b50);
	for (const size of sizes) {
		view.setUint32(at + 24, size, true);
		at += 46 + view.getUint16(at + 28, true) + view.getUint16(at + 30, true);
	}
	return bytes;
}

test("an archive that would grow beyond the limit is refused before it is unpacked", async (t) => {
	// One too large, and two that are too large together.
	for (const sizes of [[maxArtifactBytes + 1], [maxArtifactBytes - 10, 11]]) {
		const error = await t.throwsAsync(decodeArtifact(await declaring(sizes)), { instanceOf: LimitError });
		t.is(error?.code, "PSGL_ARTIFACT_TOO_LARGE");
	}
});
