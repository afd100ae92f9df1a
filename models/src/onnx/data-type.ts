import type { DType } from "@psgl/sdk";

/** TensorProto.DataType of every element type psgl has. */
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

/** The element type behind a TensorProto.DataType, or undefined for one psgl does not have. */
export function dtypeOf(number: number): DType | undefined {
	return byNumber.get(number);
}
