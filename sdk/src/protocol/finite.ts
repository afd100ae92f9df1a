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

const largestFloat32 = 3.4028234663852886e38;
const largestFloat16 = 65_504;
const largestInt8 = 128;

/** Whether finite quantised values can become infinite in float32: only where the scale is enormous. */
export function mayOverflow({ dtype, scale }: WireTensor): boolean {
	// int4 holds less than int8.
	const largest = dtype === "float16" ? largestFloat16 : largestInt8;
	return scale?.data.some((factor) => Math.abs(factor) * largest > largestFloat32) ?? false;
}

/** An IEEE 754 number is not finite when all of its exponent bits are set. */
function firstNotFinite(tensor: Tensor): number {
	switch (tensor.dtype) {
		case "float32":
			return firstWithBits(tensor.data, 0x7f80_0000);
		case "float16":
			return firstWithBits(tensor.data, 0x7c00);
		case "float64":
			return (tensor.data as Float64Array).findIndex((value) => !Number.isFinite(value));
		default:
			return -1;
	}
}

type Numbers = Pick<Float32Array | Uint16Array, "buffer" | "byteOffset" | "length" | "BYTES_PER_ELEMENT">;

/**
 * The first number all of whose `exponent` bits are set; -1 where there is none. Looks at words of four bytes, several at a time: messages are
 * hundreds of kilobytes, and are looked through where they are made and where they come in.
 */
function firstWithBits({ buffer, byteOffset, length, BYTES_PER_ELEMENT: size }: Numbers, exponent: number): number {
	if (length === 0) return -1;
	const numbers =
		size === 4 ? new Uint32Array(buffer, byteOffset, length) : new Uint16Array(buffer, byteOffset, length);
	// Of float16 one number may stand alone before the first word.
	const before = (byteOffset % 4) / 2;
	const perWord = 4 / size;
	const words = new Int32Array(buffer, byteOffset + before * size, Math.floor((length - before) / perWord));
	const clean = before + perWord * (size === 4 ? cleanWords(words, fullFloat32) : cleanWords(words, twoFloat16));
	for (const [from, to] of [
		[0, before],
		[clean, length],
	] as const) {
		for (let i = from; i < to; i++) if (((numbers[i] as number) & exponent) === exponent) return i;
	}
	return -1;
}

/** Exponents in a word, their lowest bits, and the signs above them. One added to an exponent of ones carries into the sign; of two float16 neither reaches the other. */
const fullFloat32 = { exponents: 0x7f80_0000, ones: 0x0080_0000, signs: 0x8000_0000 | 0 };
const twoFloat16 = { exponents: 0x7c00_7c00, ones: 0x0400_0400, signs: 0x8000_8000 | 0 };

/** So many words from the first on hold no number that is not finite; a few less may be told. */
function cleanWords(words: Int32Array, { exponents, ones, signs }: typeof fullFloat32): number {
	const carried = (i: number) => (((words[i] as number) & exponents) + ones) | 0;
	let i = 0;
	for (; i + 4 <= words.length; i += 4) {
		if (((carried(i) | carried(i + 1) | carried(i + 2) | carried(i + 3)) & signs) !== 0) break;
	}
	return i;
}
