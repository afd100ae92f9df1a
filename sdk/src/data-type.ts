import type { DType } from "./tensor.js";

/** Number of every element type psgl has: TensorProto.DataType of ONNX, and ONNXTensorElementDataType of ONNX Runtime, which agree. */
export const dataType: Readonly<Record<DType, number>> = {
	float32: 1,
	uint8: 2,
	int8: 3,
	int32: 6,
	int64: 7,
	bool: 9,
	float16: 10,
	float64: 11,
};

const byNumber = new Map(Object.entries(dataType).map(([dtype, number]) => [number, dtype as DType]));

/** The element type behind such a number, or undefined for one psgl does not have. */
export function dtypeOf(number: number): DType | undefined {
	return byNumber.get(number);
}
