import { readFile } from "node:fs/promises";
import { join } from "node:path";
import {
	clientHalf,
	compileArtifact,
	DeployedSystem,
	decodeModel,
	exportModel,
	importNetwork,
	type ModelDefinition,
	presetDefinition,
	privacyModes,
	readForeignModel,
	zooNetwork,
} from "@psgl/models";
import { ArtifactError, elementCount, seededRandom, type Tensor, tensor } from "@psgl/sdk";
import { decodeArtifact } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test, { type ExecutionContext } from "ava";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-web";
import { areasDefinition } from "../../helpers/areas.js";
import { relativeError } from "../../helpers/golden.js";
import { projectFolder } from "../../helpers/run-cli.js";
import { sharedPath, withShared } from "../../helpers/shared.js";

/** Samples of one sample and of five: the batch stays open. */
const inputs = (shape: readonly number[]) =>
	[1, 5].map((count) => {
		const random = seededRandom(count);
		return tensor(
			"float32",
			[count, ...shape],
			Float32Array.from({ length: count * elementCount(shape) }, () => random.uniform()),
		);
	});

/** Row `row` [B,K] of scores [B,rows,K]. */
function rowOf(scores: Tensor, row: number): Tensor {
	const [count, rows, classes] = scores.dims as [number, number, number];
	const data = Float32Array.from({ length: count * classes }, (_, i) =>
		Number(scores.data[(Math.floor(i / classes) * rows + row) * classes + (i % classes)]),
	);
	return tensor("float32", [count, classes], data);
}

async function exportEqualsSplit(t: ExecutionContext, definition: ModelDefinition): Promise<void> {
	const artifact = await compileArtifact(definition, { name: "model", random: seededRandom(1) });
	await using system = await DeployedSystem.load(artifact, definition, nodeRuntime);
	const streams = [...definition.streams, "fused"] as const;
	for (const [row, stream] of streams.entries()) {
		for (const withMap of definition.map === null ? [false] : [false, true]) {
			const bytes = exportModel(artifact, { stream, withMap });
			await using session = await nodeRuntime.load(bytes);
			t.deepEqual(session.inputNames, ["x"]);
			for (const x of inputs(definition.inputShape)) {
				const expected = rowOf(await system.scores(x, withMap), row);
				const got = await session.run({ x });
				t.true(relativeError(got.probabilities as Tensor, expected) < 1e-5, `${stream}, map ${withMap}`);
				t.is(got.logits === undefined, stream === "fused" && streams.length > 2);
			}
		}
	}
}

test("a model of several labels a sample in one file gives what the split run gives", async (t) => {
	await exportEqualsSplit(t, areasDefinition("paper"));
});

for (const mode of privacyModes) {
	test(`${mode}: a zoo model in one file gives what the split run gives`, async (t) => {
		await exportEqualsSplit(t, presetDefinition(mode, zooNetwork("resnet-small"), [1, 8, 8], ["a", "b", "c"]));
	});

	withShared(`${mode}: a network of an ONNX file in one file gives what the split run gives`, async (t) => {
		const bytes = await readFile(sharedPath("vectors", "onnx", "resnet8_bn_op15_eval.onnx"));
		const normalise = { mean: [0.49, 0.46, 0.41], std: [0.25, 0.24, 0.26] };
		const cut = ["/s2/Relu_output_0", "/s1/Relu_1_output_0"];
		const network = importNetwork(bytes, { name: "resnet8", cut, normalise });
		const classes = Array.from({ length: 10 }, (_, i) => `class ${i}`);
		const definition = presetDefinition(mode, network, [3, 32, 32], classes);
		await exportEqualsSplit(t, definition);
	});
}

for (const [mode, cut] of [
	["none", "/Relu_output_0"],
	["robust", "/layer/Transpose_1_output_0"],
] as const) {
	test(`${mode}: an LSTM over 151 steps behind or in front of the cut, in one file, gives what the split run gives`, async (t) => {
		const bytes = await readFile(join(projectFolder, "test/fixtures/onnx/lstm_151_steps_op17.onnx"));
		const network = importNetwork(bytes, { name: "lstm", cut: [cut] });
		await exportEqualsSplit(t, presetDefinition(mode, network, [1, 605], ["a", "b", "c", "d"]));
	});
}

withShared("export gives back what was imported, and the export can be cut again", async (t) => {
	const bytes = await readFile(sharedPath("vectors", "onnx", "lenet_op13.onnx"));
	const network = importNetwork(bytes, { name: "lenet", cut: ["/Relu_output_0"] });
	const classes = Array.from({ length: 10 }, (_, i) => `class ${i}`);
	const definition = presetDefinition("none", network, [1, 28, 28], classes);
	const artifact = await compileArtifact(definition, { name: "lenet", random: seededRandom(1) });
	const exported = exportModel(artifact);
	await using original = await nodeRuntime.load(bytes);
	await using joined = await nodeRuntime.load(exported);
	for (const x of inputs([1, 28, 28])) {
		const expected = (await original.run({ input: x })).output as Tensor;
		t.true(relativeError((await joined.run({ x })).logits as Tensor, expected) < 1e-5);
	}
	// Another program that runs ONNX files: WebAssembly without psgl's runtime port.
	const elsewhere = await InferenceSession.create(exported, { executionProviders: ["wasm"] });
	const [x] = inputs([1, 28, 28]) as [Tensor<"float32">, Tensor];
	const feeds = { x: new OrtTensor("float32", x.data, x.dims) };
	const { logits } = await elsewhere.run(feeds);
	const got = tensor("float32", logits?.dims ?? [], logits?.data as Float32Array);
	t.true(relativeError(got, (await original.run({ input: x })).output as Tensor) < 1e-5);
	await elsewhere.release();
	const model = readForeignModel(exported);
	t.is(model.parameters.size, 10, "weights are initialisers that can be trained again");
	t.true(model.parameters.has("client.c1.weight"));
	const names = decodeModel(exported).nodes.map(({ type }) => type);
	t.false(names.includes("Split"), "no flat vectors are left");
	t.is(names.filter((type) => type === "Conv").length, 2);
});

test("a client half and a stream that is not there are refused", async (t) => {
	const definition = presetDefinition("none", zooNetwork("lenet"), [1, 8, 8], ["a", "b"]);
	const artifact = await compileArtifact(definition, { name: "model", random: seededRandom(1) });
	const stream = t.throws(() => exportModel(artifact, { stream: "F" }), { instanceOf: ArtifactError });
	t.is(stream?.code, "PSGL_EXPORT_STREAM");
	const half = await decodeArtifact(await clientHalf(artifact));
	t.is(t.throws(() => exportModel(half), { instanceOf: ArtifactError })?.code, "PSGL_ARTIFACT_MEMBER");
});
