import { bytesPerElement, elementCount } from "../tensor.js";
import type { ByteRange, TensorDescriptor } from "./headers.js";

/**
 * Which values of a tensor arrived: one byte an element in row-major order, 1 = arrived. A value also counts as lost
 * when its scale is lost: the whole tensor for float16, its channel in every sample for int8 and int4.
 * @param missing parts of the body that did not arrive
 */
export function maskFromMissing(descriptor: TensorDescriptor, missing: readonly ByteRange[]): Uint8Array {
	const mask = new Uint8Array(elementCount(descriptor.dims)).fill(1);
	for (const [first, end] of overlap(descriptor, valueBytes(descriptor), missing)) mask.fill(0, first, end);
	if (descriptor.scale === undefined) return mask;
	for (const [first, end] of overlap(descriptor.scale, 4, missing)) {
		if (descriptor.dtype === "float16") return mask.fill(0);
		for (let channel = first; channel < end; channel++) clearChannel(mask, descriptor.dims, channel);
	}
	return mask;
}

/** Bytes of one value; an eighth of its bits for a code, of which several lie in a byte, and half a byte for int4. */
function valueBytes({ dtype, bits = 0 }: TensorDescriptor): number {
	if (dtype === "code") return bits / 8;
	return dtype === "int4" ? 1 / 2 : bytesPerElement[dtype];
}

/** Elements of `width` bytes in `place` that a missing range touches, as [first, end). */
function overlap(place: ByteRange, width: number, missing: readonly ByteRange[]): [number, number][] {
	const touched: [number, number][] = [];
	for (const range of missing) {
		const from = Math.max(range.offset - place.offset, 0);
		const to = Math.min(range.offset + range.bytes - place.offset, place.bytes);
		if (from < to) touched.push([Math.floor(from / width), Math.ceil(to / width)]);
	}
	return touched;
}

function clearChannel(mask: Uint8Array, dims: readonly number[], channel: number): void {
	const [samples = 0, channels = 0, ...rest] = dims;
	const size = elementCount(rest);
	for (let sample = 0; sample < samples; sample++) {
		const start = (sample * channels + channel) * size;
		mask.fill(0, start, start + size);
	}
}
