import { compileArtifact, exportModel, importNetwork, presetDefinition, readForeignModel } from "@psgl/models";
import { ArtifactError, seededRandom, type Tensor, tensor } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { relativeError } from "../../helpers/golden.js";
import { type OnnxFile, onnxFile } from "../../helpers/onnx-file.js";

/** x [N,2,1] times a weight, plus a second one, soft-max, its product with x: y [N,2]. */
const file: OnnxFile = {
	opset: 17,
	inputs: { x: ["N", 2, 1] },
	outputs: ["y"],
	floats: { scale: [1, 2], second: [0.5, -1] },
	nodes: [
		{ type: "Flatten", inputs: ["x"], outputs: ["flat"], attributes: { axis: { i: 1 } } },
		{ type: "Mul", inputs: ["flat", "scale"], outputs: ["scaled"] },
		{ type: "Add", inputs: ["scaled", "second"], outputs: ["moved"] },
		{ type: "Softmax", inputs: ["moved"], outputs: ["share"], attributes: { axis: { i: 1 } } },
		{ type: "Mul", inputs: ["share", "flat"], outputs: ["y"] },
	],
};
const withSecond = (second: readonly number[]) => onnxFile({ ...file, floats: { ...file.floats, second } });

test("a weight that is no number is refused with its node", (t) => {
	const error = t.throws(() => readForeignModel(withSecond([Number.NaN, 1])), { instanceOf: ArtifactError });
	t.is(error?.code, "PSGL_ONNX_NOT_A_NUMBER");
	t.regex(error?.message ?? "", /Add_moved[\s\S]*second/);
});

test("a mask with infinities is not trained", (t) => {
	t.deepEqual([...readForeignModel(withSecond([Number.NEGATIVE_INFINITY, 0])).parameters], ["scale"]);
	t.deepEqual([...readForeignModel(withSecond([-1, 0])).parameters].sort(), ["scale", "second"]);
});

test("weights of convolutions that the exporter computed are told with what keeps the normalisations", (t) => {
	const convolved = (weight: string) =>
		readForeignModel(
			onnxFile({
				...file,
				inputs: { x: ["N", 1, 1, 2] },
				floats: { kernel: [2], second: [0.5, -1] },
				nodes: [
					{ type: "Constant", inputs: [], outputs: ["form"], attributes: { value: { tensor: [1, 1, 1, 1] } } },
					{ type: "Identity", inputs: ["kernel"], outputs: [weight] },
					{ type: "Reshape", inputs: [weight, "form"], outputs: ["weight"] },
					{ type: "Conv", inputs: ["x", "weight"], outputs: ["picture"] },
					{ type: "Flatten", inputs: ["picture"], outputs: ["flat"] },
					{ type: "Add", inputs: ["flat", "second"], outputs: ["y"] },
				],
			}),
		).notes;
	t.regex(convolved("onnx::Conv_29").join(), /onnx::Conv_29[\s\S]*TrainingMode\.TRAINING/);
	t.deepEqual(convolved("stem.weight"), []);
});

for (const squashed of [false, true]) {
	test(`a single score${squashed ? " behind a sigmoid" : ""} is that of the second of two classes`, async (t) => {
		const nodes: OnnxFile["nodes"] = [
			...file.nodes.slice(0, 3),
			{ type: "ReduceSum", inputs: ["moved", "axis"], outputs: ["score"] },
			{ type: "Constant", inputs: [], outputs: ["axis"], attributes: { value: { tensor: [1] } } },
			{ type: "Sigmoid", inputs: ["score"], outputs: ["probability"] },
		];
		const bytes = onnxFile({ ...file, nodes, outputs: [squashed ? "probability" : "score"] });
		const network = importNetwork(bytes, { name: "one", cut: ["scaled"] });
		t.is(network.imported.classes, 2);
		t.true(network.notes.some((note) => note.startsWith("The model has one score")));
		const definition = presetDefinition("none", network, [2, 1], ["healthy", "ill"]);
		const artifact = await compileArtifact(definition, { name: "one", random: seededRandom(1) });
		await using session = await nodeRuntime.load(exportModel(artifact));
		const { probabilities } = await session.run({
			x: tensor("float32", [2, 2, 1], Float32Array.of(0.2, 0.7, 0.9, 0.1)),
		});
		const ill = [0.2 + 1.4 - 0.5, 0.9 + 0.2 - 0.5].map((score) => 1 / (1 + Math.exp(-score)));
		const expected = tensor("float32", [2, 2], Float32Array.from(ill.flatMap((p) => [1 - p, p])));
		t.true(relativeError(probabilities as Tensor, expected) < 1e-6);
	});
}
