/**
 * Level indices packed into bytes, `bits` of them each: index i takes the bits from `i * bits` on, the lowest first, counted from the
 * lowest bit of the first byte. What is left of the last byte is 0.
 */
export function packCode(indices: Uint8Array, bits: number): Uint8Array {
	const bytes = new Uint8Array(packedBytes(indices.length, bits));
	for (let i = 0; i < indices.length; i++) {
		const place = i * bits;
		const shifted = (indices[i] as number) << (place & 7);
		const at = place >> 3;
		bytes[at] = (bytes[at] as number) | shifted;
		if (shifted > 0xff) bytes[at + 1] = (bytes[at + 1] as number) | (shifted >> 8);
	}
	return bytes;
}

/** The indices that `packCode` packed, `count` of them. Undefined when the bits left over are not 0. */
export function unpackCode(bytes: Uint8Array, count: number, bits: number): Uint8Array | undefined {
	const indices = new Uint8Array(count);
	const mask = (1 << bits) - 1;
	for (let i = 0; i < count; i++) {
		const place = i * bits;
		const at = place >> 3;
		const pair = (bytes[at] as number) | ((bytes[at + 1] ?? 0) << 8);
		indices[i] = (pair >> (place & 7)) & mask;
	}
	const used = (count * bits) & 7;
	const rest = used === 0 ? 0 : (bytes.at(-1) as number) >> used;
	return rest === 0 ? indices : undefined;
}

/** Bytes that `count` indices of `bits` bits take. */
export function packedBytes(count: number, bits: number): number {
	return Math.ceil((count * bits) / 8);
}
