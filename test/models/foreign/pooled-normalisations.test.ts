import { GraphBuilder, importNetwork, modelLayout, ParameterScope, presetDefinition } from "@psgl/models";
import { seededRandom } from "@psgl/sdk";
import test from "ava";
import { runImported } from "../../helpers/foreign-run.js";
import { relativeError } from "../../helpers/golden.js";
import { type FileNode, onnxFile } from "../../helpers/onnx-file.js";
import { normalTensor } from "../../helpers/operator-gradients.js";

/** A normalisation whose maximum is the output, with what adds nothing but reads `read` as well. */
function pooledFile(between: readonly FileNode[], pooled: string, read: string): Uint8Array {
	return onnxFile({
		opset: 17,
		inputs: { x: ["N", 2, 6, 6] },
		outputs: ["y"],
		floats: { gain: [2], scale: [1.5, -0.5], bias: [0.1, 0.2], mean: [0, 1], variance: [1, 2], nothing: [0] },
		nodes: [
			{ type: "Mul", inputs: ["x", "gain"], outputs: ["gained"] },
			{ type: "BatchNormalization", inputs: ["gained", "scale", "bias", "mean", "variance"], outputs: ["normal"] },
			...between,
			{
				type: "MaxPool",
				inputs: [pooled],
				outputs: ["largest"],
				attributes: { kernel_shape: { ints: [2, 2] }, strides: { ints: [2, 2] } },
			},
			{ type: "GlobalAveragePool", inputs: [read], outputs: ["average"] },
			{ type: "Mul", inputs: ["average", "nothing"], outputs: ["zero"] },
			{ type: "Add", inputs: ["largest", "zero"], outputs: ["sum"] },
			{ type: "Flatten", inputs: ["sum"], outputs: ["y"] },
		],
	});
}

const relu: readonly FileNode[] = [{ type: "Relu", inputs: ["normal"], outputs: ["rectified"] }];

/** Over how many pixels the server segment rectifies. */
function rectifiedExtents(bytes: Uint8Array): readonly string[] {
	const network = importNetwork(bytes, { name: "pooled", cut: ["gained"] });
	const classes = Array.from({ length: network.imported.classes }, (_, i) => String(i));
	const { smashedShape } = modelLayout(presetDefinition("none", network, [2, 6, 6], classes));
	const g = new GraphBuilder("test");
	const source = (name: string, shape: readonly number[]) => g.input(name, "float32", shape);
	const scope = new ParameterScope(true, source, source);
	network.stream(g, scope, g.input("smashed", "float32", ["B", ...smashedShape]), classes.length);
	return g.nodes.filter(({ type }) => type === "Relu").map(({ inputs }) => String(inputs[0]?.shape.slice(2)));
}

for (const [name, between, pooled, others] of [
	["rectified", relu, "rectified", ["rectified", "normal"]],
	["as it is", [], "normal", ["normal"]],
] as const) {
	test(`a normalisation that is only pooled, ${name}, gives what it gives where others read it`, async (t) => {
		const x = normalTensor(seededRandom(1), [5, 2, 6, 6]);
		const alone = pooledFile(between, pooled, "gained");
		for (const training of [false, true]) {
			const run = (bytes: Uint8Array) =>
				runImported(importNetwork(bytes, { name: "pooled", cut: ["gained"] }), x, training);
			const expected = await run(pooledFile(between, pooled, others[0]));
			const got = await run(alone);
			t.deepEqual(Object.keys(got), Object.keys(expected));
			for (const [key, value] of Object.entries(expected)) {
				const result = got[key];
				t.true(result !== undefined && relativeError(result, value) < 1e-6, `${key}, training ${training}`);
			}
		}
		if (between.length === 0) return;
		t.deepEqual(rectifiedExtents(alone), ["3,3"], "rectified after the maximum");
	});
}

test("what lies between a normalisation and its maximum stays where it is read elsewhere", (t) => {
	t.deepEqual(rectifiedExtents(pooledFile(relu, "rectified", "rectified")), ["6,6", "3,3"]);
});
