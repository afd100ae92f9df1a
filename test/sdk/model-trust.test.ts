import { clientHalf } from "@psgl/models";
import { Device, type DeviceEvent } from "@psgl/sdk";
import { decodeArtifact, encodeArtifact, releaseName, sha256 } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { type MemoryRecords, memoryDeviceStore } from "@psgl/sdk/store";
import { ModelTrust, type SignedDocument, type SigningKey, trustLimits } from "@psgl/sdk/trust";
import test from "ava";
import { strToU8, unzipSync, zipSync } from "fflate";
import { EventReader } from "../helpers/event-reader.js";
import { ManualClock } from "../helpers/manual-clock.js";
import { ScriptedAggregator } from "../helpers/scripted-aggregator.js";
import { newSigner, releaseText, rootOf, signedAt, validUntil } from "../helpers/signers.js";
import { smallDataset, smallModel } from "../helpers/small-model.js";

let keys: readonly [SigningKey, SigningKey, SigningKey];
let stranger: SigningKey;
let root: SignedDocument;
/** Client halves of two models, not signed. */
let first: Uint8Array;
let second: Uint8Array;

test.before(async () => {
	keys = [await newSigner(), await newSigner(), await newSigner()];
	stranger = await newSigner();
	root = await rootOf(keys);
	first = (await smallModel()).client;
	second = (await smallModel("none", { seed: 2 })).client;
});

type Changes = Parameters<typeof releaseText>[2];

/** An artifact with a release by two of the three keys, or by others. */
async function signed(artifact: Uint8Array, changes: Changes = {}, signers: readonly SigningKey[] = keys.slice(0, 2)) {
	const files = unzipSync(artifact);
	return zipSync({ ...files, [releaseName]: strToU8(await releaseText(artifact, signers, changes)) });
}

/** What a device knows after a restart is in its records alone. */
function openTrust(records: MemoryRecords = new Map(), now = signedAt, kit = root) {
	return ModelTrust.open({ root: kit, store: memoryDeviceStore(records), clock: new ManualClock(now) });
}

const take = async (trust: ModelTrust, artifact: Uint8Array) => trust.take(artifact, await sha256(artifact));

test("takes a model signed by the threshold, whichever keys they are, and again after a restart", async (t) => {
	const records: MemoryRecords = new Map();
	const model = await signed(first, {}, [keys[2], keys[0]]);
	await take(await openTrust(records), model);
	const again = await openTrust(records);
	t.is(again.counter, 1);
	t.false(again.has(await sha256(model)));
	await take(again, model);
	t.true(again.has(await sha256(model)));
});

test("arbitrary software: refuses a model without a release, of a stranger, or of fewer keys than the threshold", async (t) => {
	const trust = await openTrust();
	await t.throwsAsync(take(trust, first), { code: "PSGL_MODEL_UNSIGNED" });
	for (const signers of [[stranger, keys[0]], [keys[0]], [keys[0], keys[0]], []]) {
		await t.throwsAsync(take(trust, await signed(first, {}, signers)), { code: "PSGL_MODEL_SIGNATURES" });
	}
	t.is(trust.counter, 0);
});

test("a signature cannot be passed on to another document, or to one of another kind", async (t) => {
	const trust = await openTrust();
	const text = await releaseText(first, keys.slice(0, 2));
	const raised = text.replace(/\\"counter\\":1/, '\\"counter\\":9');
	t.not(raised, text);
	const files = unzipSync(first);
	await t.throwsAsync(take(trust, zipSync({ ...files, [releaseName]: strToU8(raised) })), {
		code: "PSGL_MODEL_SIGNATURES",
	});
	const { release } = JSON.parse(text) as { release: SignedDocument };
	await t.throwsAsync(
		ModelTrust.open({
			root: { ...root, signatures: release.signatures },
			store: undefined,
			clock: new ManualClock(signedAt),
		}),
		{
			code: "PSGL_ROOT_SIGNATURES",
		},
	);
	await t.throwsAsync(take(trust, zipSync({ ...files, [releaseName]: strToU8("{}") })), {
		code: "PSGL_MODEL_DOCUMENT",
	});
});

test("rollback: refuses an older model, and another one with the same counter, also after a restart", async (t) => {
	const records: MemoryRecords = new Map();
	const old = await signed(first, { counter: 4 });
	const trust = await openTrust(records);
	await take(trust, old);
	await take(trust, await signed(second, { counter: 5 }));
	for (const each of [trust, await openTrust(records)]) {
		await t.throwsAsync(take(each, old), { code: "PSGL_MODEL_ROLLBACK", message: /counter 4.*more than 5/ });
		await t.throwsAsync(take(each, await signed(first, { counter: 5 })), { code: "PSGL_MODEL_ROLLBACK" });
	}
	const digest = await sha256(old);
	t.throws(() => trust.check(digest), { code: "PSGL_MODEL_ROLLBACK" }, "although it is open still");
});

test("freeze: refuses an expired model after the tolerance, and when the clock is set back afterwards", async (t) => {
	const records: MemoryRecords = new Map();
	const model = await signed(first);
	const last = Date.parse(validUntil) + trustLimits.clockToleranceMs;
	const root = await rootOf(keys, { expires: "2033-01-01T00:00:00.000Z" });
	const trust = await openTrust(records, last, root);
	await take(trust, model);
	const digest = await sha256(model);
	t.notThrows(() => trust.check(digest));
	const longer = await signed(second, { counter: 2, expires: "2032-01-01T00:00:00.000Z" });
	await t.throwsAsync(take(await openTrust(records, last + 1, root), model), { code: "PSGL_MODEL_EXPIRED" });
	await take(await openTrust(records, last + 1, root), longer);
	const setBack = await openTrust(records, signedAt, root);
	const older = await signed(first, { counter: 3 });
	await t.throwsAsync(take(setBack, older), { code: "PSGL_MODEL_EXPIRED" });
});

test("a clock that was wrong for a while does not shut later models out", async (t) => {
	const records: MemoryRecords = new Map();
	const model = await signed(first);
	await t.throwsAsync(take(await openTrust(records, Date.UTC(2099, 0)), model), { code: "PSGL_ROOT_EXPIRED" });
	await t.notThrowsAsync(take(await openTrust(records), model));
});

test("mix and match: refuses parts of one signed model in another, and a release of another model", async (t) => {
	const [one, other] = [unzipSync(await signed(first)), unzipSync(await signed(second, { counter: 2 }))];
	const swapped = zipSync({ ...one, [releaseName]: other[releaseName] as Uint8Array });
	await t.throwsAsync(take(await openTrust(), swapped), { code: "PSGL_MODEL_MISMATCH" });
	const weights = zipSync({ ...one, "client/params.f32": other["client/params.f32"] as Uint8Array });
	t.is(await refusal(weights), "PSGL_ARTIFACT_DIGEST");
	const graph = zipSync({ ...one, "client/infer.onnx": other["client/forward.onnx"] as Uint8Array });
	t.regex(await refusal(graph), /^PSGL_(MODEL_SIZE|MODEL_MISMATCH)$/);
});

test("endless data: refuses a model larger than its signers said, before unpacking it", async (t) => {
	const files = unzipSync(await signed(first));
	const padded = zipSync({ ...files, "client/padding.f32": new Uint8Array(50_000_000) });
	t.true(padded.length < 1_000_000);
	await t.throwsAsync(take(await openTrust(), padded), { code: "PSGL_MODEL_SIZE" });
	const huge = zipSync({ ...files, [releaseName]: new Uint8Array(50_000_000) });
	await t.throwsAsync(take(await openTrust(), huge), { code: "PSGL_MODEL_UNSIGNED" });
});

test("tampering: every changed byte of the manifest is seen", async (t) => {
	const files = unzipSync(await signed(first));
	const manifest = files["manifest.json"] as Uint8Array;
	const trust = await openTrust();
	for (let i = 0; i < manifest.length; i += 97) {
		const changed = manifest.slice();
		changed[i] = (changed[i] as number) ^ 1;
		await t.throwsAsync(take(trust, zipSync({ ...files, "manifest.json": changed })), { code: "PSGL_MODEL_MISMATCH" });
	}
});

test("key rotation: a root signed by the old and the new threshold shuts the lost key out for good", async (t) => {
	const records: MemoryRecords = new Map();
	const [a, b, lost] = keys;
	const next = [a, b, stranger];
	const rotated = await rootOf(next, { version: 2 }, [a, b]);
	const third = await rootOf(next, { version: 3, threshold: 3 }, next);
	const trust = await openTrust(records);
	// From 1 to 3 in one step.
	await take(trust, await signed(first, { roots: [root, rotated, third] }, next));
	t.is(trust.rootVersion, 3);
	const restarted = await openTrust(records);
	t.is(restarted.rootVersion, 3, "the kit's own root is older");
	const byLost = await signed(second, { counter: 2, roots: [root] }, [a, b, lost]);
	await t.throwsAsync(take(restarted, byLost), { code: "PSGL_MODEL_SIGNATURES" });
});

test("refuses a root that the old keys or the new keys did not sign, one with a gap before it, and an expired one", async (t) => {
	const [a, b] = keys;
	const others = [stranger, await newSigner(), a];
	const roots = {
		PSGL_ROOT_SIGNATURES: [
			await rootOf(others, { version: 2 }, others),
			await rootOf(others, { version: 2 }, [a, b]),
			await rootOf(keys, { version: 2 }, [a]),
		],
		PSGL_ROOT_GAP: [await rootOf(keys, { version: 3 })],
		PSGL_ROOT_EXPIRED: [await rootOf(keys, { version: 2, expires: "2029-01-01T00:00:00.000Z" })],
	};
	for (const [code, bad] of Object.entries(roots)) {
		for (const each of bad) {
			await t.throwsAsync(take(await openTrust(), await signed(first, { roots: [each] })), { code });
		}
	}
	await t.throwsAsync(openTrust(new Map(), signedAt, await rootOf(keys, {}, [a])), { code: "PSGL_ROOT_SIGNATURES" });
	await t.throwsAsync(openTrust(new Map(), signedAt, await rootOf([a, a])), { code: "PSGL_MODEL_DOCUMENT" });
	await t.throwsAsync(openTrust(new Map(), signedAt, await rootOf([a])), { code: "PSGL_MODEL_DOCUMENT" });
});

/** A device that trusts `root`, with an aggregator that hands out `artifact`, until `use` ends. */
async function withDevice<T>(
	artifact: Uint8Array,
	use: (events: EventReader<DeviceEvent>) => Promise<T>,
	records: MemoryRecords = new Map(),
	samples = 6,
): Promise<T> {
	await using aggregator = await ScriptedAggregator.start(artifact);
	await using device = await Device.connect({
		url: aggregator.url,
		id: "ward-3-pi",
		runtime: nodeRuntime,
		data: { train: smallDataset(samples) },
		root,
		store: memoryDeviceStore(records),
	});
	return await use(new EventReader(device.train()));
}

/** The code training ends with. */
async function refusal(artifact: Uint8Array, records?: MemoryRecords, samples?: number): Promise<string> {
	const ended = withDevice(artifact, (events) => events.done, records, samples);
	return ended.then(
		() => "none",
		(error: { code: string }) => error.code,
	);
}

test("a device enrols with a signed model, refuses an older one later, and remembers it with other samples", async (t) => {
	const records: MemoryRecords = new Map();
	await withDevice(await signed(first, { counter: 7 }), (events) => events.next("artifact"), records);
	const older = await signed(second, { counter: 6 });
	t.is(await refusal(older, records), "PSGL_MODEL_ROLLBACK");
	t.is(await refusal(first, records), "PSGL_MODEL_UNSIGNED");
	t.is(await refusal(older, records, 8), "PSGL_MODEL_ROLLBACK");
});

test("the joint artifact carries the release of its client half to the aggregator", async (t) => {
	const { joint } = await smallModel();
	const release = await releaseText(await clientHalf(joint), keys);
	const file = await encodeArtifact(joint.manifest, joint.graphs, joint.tensors, { release });
	await t.notThrowsAsync(take(await openTrust(), await clientHalf(await decodeArtifact(file))));
});

test("a root names at most so many keys, a release carries at most so many roots, and a document has a greatest length", async (t) => {
	const { maxRootKeys, maxRoots, maxDocumentLength } = trustLimits;
	const many = await Promise.all(Array.from({ length: maxRootKeys + 1 }, newSigner));
	await openTrust(new Map(), signedAt, await rootOf(many.slice(0, maxRootKeys), {}, many.slice(0, 2)));
	await t.throwsAsync(
		rootOf(many, {}, many.slice(0, 2)).then((kit) => openTrust(new Map(), signedAt, kit)),
		{
			code: "PSGL_MODEL_DOCUMENT",
		},
	);
	const trust = await openTrust();
	await take(trust, await signed(first, { roots: new Array(maxRoots).fill(root) }));
	const over = await signed(first, { counter: 2, roots: new Array(maxRoots + 1).fill(root) });
	await t.throwsAsync(take(trust, over), { code: "PSGL_MODEL_DOCUMENT" });
	const long = await signed(first, { counter: 3, name: "x".repeat(maxDocumentLength) });
	await t.throwsAsync(take(trust, long), { code: "PSGL_MODEL_DOCUMENT" });
});
