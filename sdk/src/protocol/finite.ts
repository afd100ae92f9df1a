import { NumericError } from "../errors.js";
import type { Tensor } from "../tensor.js";
import type { WireTensor } from "./tensors.js";

/**
 * Refuses a tensor with NaN or infinity among its values or its scale. Integers without a scale always pass.
 * @throws NumericError `PSGL_PROTOCOL_NOT_FINITE`, with the first place.
 */
export function requireFinite(tensor: Tensor | WireTensor, name: string): void {
	if ("scale" in tensor && tensor.scale !== undefined) requireFinite(tensor.scale, `the scale of ${name}`);
	if (tensor.dtype === "int4") return;
	const index = firstNotFinite(tensor as Tensor);
	if (index === -1) return;
	throw new NumericError("PSGL_PROTOCOL_NOT_FINITE", {
		what: `${name} holds a value that is not finite`,
		got: `NaN or infinity at index ${index} of shape [${tensor.dims.join(",")}]`,
		expected: "finite numbers only",
		remedy: "Check the input data and lower the learning rate",
	});
}

/** An IEEE 754 number is not finite when all of its exponent bits are set. */
function firstNotFinite(tensor: Tensor): number {
	switch (tensor.dtype) {
		case "float32": {
			const { buffer, byteOffset, length } = tensor.data;
			return firstWithBits(new Uint32Array(buffer, byteOffset, length), 0x7f80_0000);
		}
		case "float16": {
			const { buffer, byteOffset, length } = tensor.data;
			return firstWithBits(new Uint16Array(buffer, byteOffset, length), 0x7c00);
		}
		case "float64":
			return (tensor.data as Float64Array).findIndex((value) => !Number.isFinite(value));
		default:
			return -1;
	}
}

function firstWithBits(patterns: Uint32Array | Uint16Array, mask: number): number {
	for (let i = 0; i < patterns.length; i++) {
		if (((patterns[i] as number) & mask) === mask) return i;
	}
	return -1;
}
