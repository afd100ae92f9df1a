import { type DType, dataType, type Tensor } from "@psgl/sdk";
import { type Attributes, int } from "../graph/attribute.js";
import type { AttributeProto, GraphProto, TensorProto } from "./schema.js";

/** Whether the weights of a file are float16: then all of it is read as float32. */
export function hasHalfWeights({ initializer = [], node = [] }: GraphProto): boolean {
	const isHalf = (tensor: TensorProto | undefined) => tensor?.dataType === dataType.float16;
	const inAttribute = ({ t }: AttributeProto) => isHalf(t);
	return initializer.some(isHalf) || node.some((n) => n.opType === "Constant" && n.attribute?.some(inAttribute));
}

export const widenedType = (dtype: DType): DType => (dtype === "float16" ? "float32" : dtype);

/** A float16 tensor as float32, which holds each of its values exactly; any other as it is. */
export function widened(tensor: Tensor): Tensor {
	if (tensor.dtype !== "float16") return tensor;
	return { dtype: "float32", dims: tensor.dims, data: Float32Array.from(tensor.data as Uint16Array, fromHalf) };
}

/** Attributes of a node with float32 where they say float16: constants, and what Cast and random sources make. */
export function widenedAttributes(attributes: Attributes): Attributes {
	return Object.fromEntries(
		Object.entries(attributes).map(([name, attribute]) => {
			if (attribute.type === "tensor") return [name, { type: "tensor", value: widened(attribute.value) }];
			const isType = attribute.type === "int" && (name === "to" || name === "dtype" || name === "stash_type");
			return [name, isType && attribute.value === dataType.float16 ? int(dataType.float32) : attribute];
		}),
	);
}

/** Value of an IEEE 754 half-precision bit pattern. */
function fromHalf(bits: number): number {
	const sign = bits & 0x8000 ? -1 : 1;
	const exponent = (bits >> 10) & 31;
	const fraction = bits & 1023;
	if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
	return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}
