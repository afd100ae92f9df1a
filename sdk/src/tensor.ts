import { ShapeError } from "./errors.js";

/** Array that holds each element type's values. float16 is carried as its raw bit patterns. */
export interface TensorData {
	float32: Float32Array;
	float64: Float64Array;
	float16: Uint16Array;
	int8: Int8Array;
	uint8: Uint8Array;
	int32: Int32Array;
	int64: BigInt64Array;
	bool: Uint8Array;
}

export type DType = keyof TensorData;

/** Bytes of one element. */
export const bytesPerElement: Readonly<Record<DType, number>> = {
	float32: 4,
	float64: 8,
	float16: 2,
	int8: 1,
	uint8: 1,
	int32: 4,
	int64: 8,
	bool: 1,
};

const constructors = {
	float32: Float32Array,
	float64: Float64Array,
	float16: Uint16Array,
	int8: Int8Array,
	uint8: Uint8Array,
	int32: Int32Array,
	int64: BigInt64Array,
	bool: Uint8Array,
} as const;

/** Dense tensor in row-major order. */
export interface Tensor<T extends DType = DType> {
	readonly dtype: T;
	readonly dims: readonly number[];
	readonly data: TensorData[T];
}

/** Number of elements of a shape. */
export function elementCount(dims: readonly number[]): number {
	let count = 1;
	for (const d of dims) count *= d;
	return count;
}

/**
 * Wraps `data` as a tensor without copying.
 * @throws ShapeError when the number of values does not fit the shape.
 */
export function tensor<T extends DType>(dtype: T, dims: readonly number[], data: TensorData[T]): Tensor<T> {
	if (data.length !== elementCount(dims)) {
		throw new ShapeError("PSGL_TENSOR_LENGTH", {
			what: "a tensor has the wrong number of values",
			got: `${data.length} values`,
			expected: `${elementCount(dims)} for shape [${dims.join(",")}]`,
		});
	}
	return { dtype, dims, data };
}

/** A float32 scalar of shape []. */
export function scalar(value: number): Tensor<"float32"> {
	return { dtype: "float32", dims: [], data: Float32Array.of(value) };
}

/** Tensor of zeros. */
export function zeros<T extends DType>(dtype: T, dims: readonly number[]): Tensor<T> {
	return { dtype, dims, data: new constructors[dtype](elementCount(dims)) as TensorData[T] };
}

/** Labels as an int64 tensor [B]. */
export function labelTensor(labels: ArrayLike<number>): Tensor<"int64"> {
	return { dtype: "int64", dims: [labels.length], data: BigInt64Array.from(Array.from(labels, BigInt)) };
}

/**
 * Reads a tensor out of little-endian bytes. Copies, because a view must be aligned.
 * @throws ShapeError when the byte count does not fit the shape.
 */
export function tensorFromBytes<T extends DType>(dtype: T, dims: readonly number[], bytes: Uint8Array): Tensor<T> {
	const expected = elementCount(dims) * bytesPerElement[dtype];
	if (bytes.byteLength !== expected) {
		throw new ShapeError("PSGL_TENSOR_LENGTH", {
			what: "a tensor has the wrong number of bytes",
			got: `${bytes.byteLength} bytes`,
			expected: `${expected} for ${dtype} of shape [${dims.join(",")}]`,
		});
	}
	// Not bytes.slice(): on a Buffer that is a view on memory shared with others.
	return tensorOver(dtype, dims, new Uint8Array(bytes).buffer);
}

/** A tensor whose values are those of `buffer`, all of it, without a copy. */
export function tensorOver<T extends DType>(dtype: T, dims: readonly number[], buffer: ArrayBuffer): Tensor<T> {
	return { dtype, dims, data: new constructors[dtype](buffer) as TensorData[T] };
}

/** The tensor's bytes, little-endian, as a view on its own memory. */
export function tensorBytes(t: Tensor): Uint8Array {
	return new Uint8Array(t.data.buffer, t.data.byteOffset, t.data.byteLength);
}
