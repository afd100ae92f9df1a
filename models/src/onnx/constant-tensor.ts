import { ArtifactError, type Tensor } from "@psgl/sdk";
import type { Attributes } from "../graph/attribute.js";

/** What a Constant node holds. @throws ArtifactError `PSGL_ONNX_DTYPE` when that is no tensor of numbers */
export function constantTensor(attributes: Attributes, name: string): Tensor {
	const { value, value_float, value_floats, value_int, value_ints } = attributes;
	if (value?.type === "tensor") return value.value;
	if (value_float?.type === "float") return { dtype: "float32", dims: [], data: Float32Array.of(value_float.value) };
	if (value_int?.type === "int") return { dtype: "int64", dims: [], data: BigInt64Array.of(BigInt(value_int.value)) };
	if (value_floats?.type === "floats") {
		return { dtype: "float32", dims: [value_floats.value.length], data: Float32Array.from(value_floats.value) };
	}
	if (value_ints?.type === "ints") {
		return { dtype: "int64", dims: [value_ints.value.length], data: BigInt64Array.from(value_ints.value, BigInt) };
	}
	throw new ArtifactError("PSGL_ONNX_DTYPE", {
		what: `constant ${name} holds no tensor of numbers`,
		got: Object.keys(attributes).join(", "),
	});
}
