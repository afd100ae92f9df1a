import {
	compileArtifact,
	decodeModel,
	encodeModel,
	exportModel,
	importNetwork,
	JointTrainer,
	listCuts,
	type PrivacyMode,
	presetDefinition,
	readForeignModel,
} from "@psgl/models";
import { ArtifactError, seededRandom, type Tensor } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { Dataset } from "@psgl/sdk/sources";
import test from "ava";
import { relativeError } from "../../helpers/golden.js";
import { type OnnxFile, onnxFile } from "../../helpers/onnx-file.js";

/** A classifier with local response normalisation, which psgl has no rule for and ONNX Runtime runs. */
const file: OnnxFile = {
	opset: 13,
	inputs: { x: ["N", 3, 4, 4] },
	outputs: ["y"],
	floats: { first: [1, -2, 0.5, 1.5], second: [0.5, 1, 2, -1], third: [1, 2, 3] },
	shapes: { normal: ["N", 3, 4, 4] },
	nodes: [
		{ type: "Mul", inputs: ["x", "first"], outputs: ["a"] },
		{ type: "LRN", inputs: ["a"], outputs: ["normal"], attributes: { size: { i: 3 }, alpha: { f: 0.5 } } },
		{ type: "Mul", inputs: ["normal", "second"], outputs: ["b"] },
		{ type: "GlobalAveragePool", inputs: ["b"], outputs: ["pooled"] },
		{ type: "Flatten", inputs: ["pooled"], outputs: ["flat"] },
		{ type: "Mul", inputs: ["flat", "third"], outputs: ["y"] },
	],
};
const classes = ["a", "b", "c"];
const samples = 12;
const data = new Dataset({
	shape: [3, 4, 4],
	classes,
	labels: Int32Array.from({ length: samples }, (_, i) => i % 3),
	samples: Float32Array.from({ length: samples * 48 }, (_, i) =>
		Math.floor(i / 16) % 3 === Math.floor(i / 48) % 3 ? 0.9 : 0.1 * Math.abs(Math.sin(i)),
	),
});

function compile(cut: string, frozen: readonly string[], privacy: PrivacyMode = "none") {
	const network = importNetwork(onnxFile(file), { name: "normalised", cut: [cut] });
	const definition = { ...presetDefinition(privacy, network, [3, 4, 4], classes), frozen };
	return compileArtifact(definition, { name: "normalised", random: seededRandom(1) });
}

async function refusal(...args: Parameters<typeof compile>): Promise<ArtifactError> {
	try {
		await compile(...args);
	} catch (error) {
		if (error instanceof ArtifactError) return error;
		throw error;
	}
	throw new Error("it was compiled");
}

test("without its shape in the file such an operator is refused", (t) => {
	const { shapes: _, ...bare } = file;
	const error = t.throws(() => readForeignModel(onnxFile(bare)), { instanceOf: ArtifactError });
	t.is(error?.code, "PSGL_OPERATOR_UNKNOWN");
	t.regex(error?.message ?? "", /LRN_normal[\s\S]*LRN[\s\S]*infer_shapes/);
});

test("only cuts behind it are listed", (t) => {
	const cuts = listCuts(readForeignModel(onnxFile(file))).map(({ cut }) => cut.join());
	t.deepEqual(cuts, ["normal", "b", "pooled"]);
});

for (const [where, cut, frozen, privacy] of [
	["behind the cut", "a", [], "none"],
	["in front of the cut behind weights that are trained", "b", [], "none"],
	["in front of the cut where the map needs a gradient of the input", "b", ["client.*"], "paper"],
] as const) {
	test(`${where}: the error names node, operator, and the nearest cut that avoids it`, async (t) => {
		const error = await refusal(cut, frozen, privacy);
		t.is(error.code, "PSGL_OPERATOR_NO_GRADIENT");
		t.regex(error.what, /node LRN_normal(_\d+)? \(LRN\) has no derivative/);
		t.regex(error.remedy ?? "", /--cut normal --freeze "client\.\*" --privacy none/);
	});
}

test("with that cut it compiles, trains what is behind, and the export computes as the file does", async (t) => {
	const artifact = await compile("normal", ["client.*"]);
	t.is(artifact.manifest.client.trainedCount, 0);
	const { x } = data.batch([0, 1, 2, 3]);
	// The decoded file has the declared shape; encoded again ONNX Runtime runs it.
	await using original = await nodeRuntime.load(encodeModel(decodeModel(onnxFile(file))));
	await using exported = await nodeRuntime.load(exportModel(artifact));
	const [wanted, got] = [(await original.run({ x })).y as Tensor, (await exported.run({ x })).logits as Tensor];
	t.true(relativeError(got, wanted) < 1e-5);

	await using trainer = await JointTrainer.create(artifact, { runtime: nodeRuntime, random: seededRandom(2) });
	const all = Array.from({ length: samples }, (_, i) => i);
	const losses: number[] = [];
	for (let i = 0; i < 40; i++) losses.push((await trainer.step(data, all, 0.05)).losses[0] as number);
	t.true((losses.at(-1) as number) < 0.9 * (losses[0] as number), `from ${losses[0]} to ${losses.at(-1)}`);
	const weights = trainer.weights();
	t.deepEqual(weights.get("client/params")?.data, artifact.tensors.get("client/params")?.data);
	t.notDeepEqual(weights.get("server/params")?.data, artifact.tensors.get("server/params")?.data);
});
