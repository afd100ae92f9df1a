import { bytesPerElement, type Tensor, type TensorData } from "../tensor.js";

/** Element types in which smashed data and gradients may travel. */
export const wireDTypes = ["float32", "float16", "int8", "int4"] as const;

export type WireDType = (typeof wireDTypes)[number];

/** Quantised values as graphs have them: ONNX Runtime's operators know no int4, so these are int8 in memory. */
export function graphValues({ dtype, dims, data }: WireTensor): Tensor {
	return { dtype: dtype === "int4" ? "int8" : dtype, dims, data } as Tensor;
}

/** Bytes that `count` values take on the wire, without their scale. */
export function wireBytes(dtype: WireDType, count: number): number {
	return dtype === "int4" ? Math.ceil(count / 2) : count * bytesPerElement[dtype];
}

/**
 * A tensor of real numbers as it travels. Quantised values come with what they are multiplied by to get
 * the number back: float16 with one power of two (shape []), int8 and int4 with one number per channel
 * (shape [C], C = dims[1]). float32 has no scale. In memory int4 takes a byte a value, -8 to 7; it travels packed, two in a byte.
 */
export interface WireTensor {
	readonly dtype: WireDType;
	readonly dims: readonly number[];
	readonly data: TensorData["float32" | "float16" | "int8"];
	readonly scale?: Tensor<"float32"> | undefined;
}

/** Smashed data as a narrow code: level indices [B,k], each below 2^`bits`. They travel packed, `bits` bits an index. */
export interface CodeTensor extends Tensor<"uint8"> {
	/** 1 to 8. */
	readonly bits: number;
}

/**
 * Labels as they travel. Class indices [B]: uint8 up to 256 classes, int32 above. Where several labels may apply to a
 * sample, uint8 [B,K]: 1 where a label applies, else 0.
 */
export type LabelTensor = Tensor<"uint8" | "int32">;

/** Flat float32 vector of parameters or running statistics. */
export type FlatTensor = Tensor<"float32">;

/** Weights of the client segment and its local head, flat, as the artifact's layout tables order them. */
export interface ClientWeights {
	/** [P] parameters of the client segment. */
	readonly params: FlatTensor;
	/** [Q] running statistics of the client segment; Q may be 0. */
	readonly stats: FlatTensor;
	/** [H] parameters of the local head. */
	readonly head: FlatTensor;
}
