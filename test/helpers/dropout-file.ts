import { seededRandom } from "@psgl/sdk";
import { type FileNode, onnxFile } from "./onnx-file.js";

const constant = (output: string, values: readonly number[]): FileNode => ({
	type: "Constant",
	inputs: [],
	outputs: [output],
	attributes: { value: { tensor: values } },
});

/**
 * A classifier exported in training mode: x [N,1,12] -> tanh -> dropout -> 8 units, `cut` -> dropout -> y [N,3]. Smooth,
 * so that finite differences hold.
 */
export function dropoutFile(): Uint8Array {
	const random = seededRandom(8);
	const weights = (count: number) => Array.from({ length: count }, () => 0.5 * random.normal());
	return onnxFile({
		opset: 15,
		inputs: { x: ["N", 1, 12] },
		outputs: ["y"],
		floats: {
			scale: weights(12),
			first: weights(96),
			second: weights(24),
			bias: weights(3),
			half: [0.5],
			third: [0.3],
		},
		nodes: [
			constant("training", [1]),
			constant("first shape", [12, 8]),
			constant("second shape", [8, 3]),
			{ type: "Flatten", inputs: ["x"], outputs: ["flat"], attributes: { axis: { i: 1 } } },
			{ type: "Mul", inputs: ["flat", "scale"], outputs: ["scaled"] },
			{ type: "Tanh", inputs: ["scaled"], outputs: ["bent"] },
			{ type: "Dropout", inputs: ["bent", "half", "training"], outputs: ["dropped", "mask"] },
			{ type: "Reshape", inputs: ["first", "first shape"], outputs: ["first matrix"] },
			{ type: "MatMul", inputs: ["dropped", "first matrix"], outputs: ["units"] },
			{ type: "Tanh", inputs: ["units"], outputs: ["cut"] },
			{ type: "Dropout", inputs: ["cut", "third", "training"], outputs: ["dropped again"] },
			{ type: "Reshape", inputs: ["second", "second shape"], outputs: ["second matrix"] },
			{ type: "MatMul", inputs: ["dropped again", "second matrix"], outputs: ["sums"] },
			{ type: "Add", inputs: ["sums", "bias"], outputs: ["y"] },
		],
	});
}
