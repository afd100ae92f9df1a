/** Bytes in hexadecimal, lower case. */
export function toHex(bytes: Uint8Array): string {
	return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}

/** Bytes of hexadecimal digits, an even number of them. */
export function fromHex(text: string): Uint8Array<ArrayBuffer> {
	return Uint8Array.from({ length: text.length / 2 }, (_, i) => Number.parseInt(text.slice(2 * i, 2 * i + 2), 16));
}
