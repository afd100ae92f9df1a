import { clientHalf, compileModel, type PrivacyMode, presetDefinition, withWeights, zooNetwork } from "@psgl/models";
import { ArtifactError, elementCount, seededRandom, type Tensor, zeros } from "@psgl/sdk";
import { artifactGraph, artifactTensor, decodeArtifact } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { unzipSync } from "fflate";
import { smallModel, smallShape } from "../../helpers/small-model.js";

const compiled = (mode: PrivacyMode, seed: number, network = "lenet") =>
	compileModel(presetDefinition(mode, zooNetwork(network), smallShape, ["dark", "bright"]), {
		name: "small",
		random: seededRandom(seed),
	});

for (const mode of ["robust", "paper", "none"] as const) {
	test(`${mode}: the same seed gives the same bytes, another seed other weights in the same graphs`, async (t) => {
		const bytes = await compiled(mode, 1);
		t.deepEqual(await compiled(mode, 1), bytes);
		const [a, b] = [await decodeArtifact(bytes), await decodeArtifact(await compiled(mode, 2))];
		for (const name of ["client/params", "client/head", "server/params"]) {
			t.notDeepEqual(artifactTensor(a, name).data, artifactTensor(b, name).data, name);
		}
		t.deepEqual([...a.graphs], [...b.graphs]);
	});

	test(`${mode}: nothing of the server segment is in the client half`, async (t) => {
		const { joint, client } = await smallModel(mode);
		t.is(joint.manifest.part, "joint");
		t.not(joint.manifest.server, null);
		const files = Object.keys(unzipSync(client));
		t.deepEqual(
			files.filter((name) => !/^(client|wire)\//.test(name)),
			["manifest.json", "manifest.sha256"],
		);
		const half = await decodeArtifact(client);
		t.is(half.manifest.part, "client");
		t.is(half.manifest.server, null);
		t.deepEqual(
			[...half.graphs.keys()].sort(),
			[...joint.graphs.keys()].filter((name) => !name.startsWith("server/")).sort(),
		);
		t.deepEqual([...half.tensors.keys()].sort(), ["client/head", "client/params", "client/stats"]);
		t.deepEqual(artifactGraph(half, "client/train"), artifactGraph(joint, "client/train"));
		t.deepEqual(artifactTensor(half, "client/params"), artifactTensor(joint, "client/params"));
		t.is(
			t.throws(() => artifactGraph(half, "server/infer"), { instanceOf: ArtifactError })?.code,
			"PSGL_ARTIFACT_MEMBER",
		);
	});
}

test("vanilla and robust artifacts of one seed start from the same client segment, head and stream A", async (t) => {
	for (const network of ["lenet", "resnet-small", "psgl-paper"]) {
		const vanilla = await decodeArtifact(await compiled("none", 5, network));
		const robust = await decodeArtifact(await compiled("robust", 5, network));
		for (const name of ["client/params", "client/stats", "client/head"]) {
			t.deepEqual(artifactTensor(robust, name), artifactTensor(vanilla, name), `${network} ${name}`);
		}
		const streamA = artifactTensor(vanilla, "server/params").data;
		t.deepEqual(artifactTensor(robust, "server/params").data.subarray(0, streamA.length), streamA, network);
	}
});

test("layouts cover the flat vectors without gap or overlap, and weights start where their layer says", async (t) => {
	const { joint } = await smallModel("paper", { network: "resnet-small" });
	const { client, server, head } = joint.manifest;
	if (server === null) return t.fail("a joint artifact has a server segment");
	const vectors = [
		["client/params", client.params, client.paramCount],
		["client/stats", client.stats, client.statCount],
		["client/head", head.params, head.paramCount],
		["server/params", server.params, server.paramCount],
		["server/stats", server.stats, server.statCount],
	] as const;
	for (const [name, entries, count] of vectors) {
		let offset = 0;
		for (const entry of entries) {
			t.is(entry.offset, offset, entry.name);
			offset += elementCount(entry.shape);
		}
		t.is(offset, count);
		t.deepEqual(artifactTensor(joint, name).dims, [count]);
		t.is(new Set(entries.map((e) => e.name)).size, entries.length);
	}
	const stem = client.params.find((e) => e.name === "stem.weight");
	if (stem === undefined) return t.fail("the stem has weights");
	const size = elementCount(stem.shape);
	const weights = artifactTensor(joint, "client/params").data.subarray(stem.offset, stem.offset + size);
	const bound = 1 / Math.sqrt(size / (stem.shape[0] as number));
	const largest = weights.reduce((most, w) => Math.max(most, Math.abs(w)), 0);
	t.true(largest <= bound && largest > 0.95 * bound, `${largest} of ${bound}`);
});

test("masked recovery has no more directions than smashed data have values", async (t) => {
	const definition = presetDefinition("robust", zooNetwork("lenet"), [1, 6, 6], ["a", "b"]);
	const recovery = { kind: "masked", rank: 512 } as const;
	const bytes = await compileModel({ ...definition, recovery }, { name: "small", random: seededRandom(1) });
	const { manifest, graphs } = await decodeArtifact(bytes);
	const values = elementCount(manifest.smashedShape);
	t.true(values < 512);
	t.deepEqual(manifest.recovery, { kind: "masked", rank: values - 1 });
	await using session = await nodeRuntime.load(graphs.get("server/infer-masked") as Uint8Array);
	t.true(session.inputNames.includes("priorBasis"));
});

test("new weights make the next version and leave the graphs as they were", async (t) => {
	const { joint } = await smallModel("none");
	const params: Tensor<"float32"> = zeros("float32", artifactTensor(joint, "client/params").dims);
	const next = await decodeArtifact(await withWeights(joint, new Map([["client/params", params]]), "3 rounds"));
	t.is(next.manifest.version, joint.manifest.version + 1);
	t.is(next.manifest.note, "3 rounds");
	t.deepEqual(artifactTensor(next, "client/params"), params);
	t.deepEqual(artifactTensor(next, "server/params"), artifactTensor(joint, "server/params"));
	t.deepEqual([...next.graphs].sort(), [...joint.graphs].sort());
	const half = await decodeArtifact(await clientHalf(next));
	t.is(half.manifest.version, next.manifest.version);
});
