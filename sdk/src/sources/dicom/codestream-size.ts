/**
 * Width and height that a JPEG, JPEG-LS or JPEG 2000 code stream says it has; undefined when its head cannot be read.
 * Checked before decoding, so that a few bytes cannot make a decoder set aside gigabytes.
 */
export function codestreamSize(bytes: Uint8Array): { width: number; height: number } | undefined {
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	if (bytes.length >= 24 && view.getUint32(0) === 0xff4fff51) {
		// ISO/IEC 15444-1 A.5.1: SIZ follows SOC; the image area is the reference grid less its offset.
		const width = view.getUint32(8) - view.getUint32(16);
		const height = view.getUint32(12) - view.getUint32(20);
		return { width, height };
	}
	if (bytes.length < 4 || view.getUint16(0) !== 0xffd8) return undefined;
	let at = 2;
	while (at + 9 <= bytes.length) {
		const marker = view.getUint16(at);
		if (marker === 0xffff) {
			at += 1;
			continue;
		}
		if (isFrameHeader(marker)) return { height: view.getUint16(at + 5), width: view.getUint16(at + 7) };
		if (marker < 0xff01) return undefined;
		at += 2 + view.getUint16(at + 2);
	}
	return undefined;
}

/** SOF0 to SOF15 without DHT, JPG and DAC (ISO/IEC 10918-1 table B.1), and SOF55 of JPEG-LS (ISO/IEC 14495-1). */
function isFrameHeader(marker: number): boolean {
	if (marker === 0xfff7) return true;
	return marker >= 0xffc0 && marker <= 0xffcf && marker !== 0xffc4 && marker !== 0xffc8 && marker !== 0xffcc;
}

/**
 * Whether a code stream ends with its end marker (EOI, EOC: 0xffd9), padding aside. The decoder of JPEG-LS computes for many seconds on one
 * that was cut off, until it runs into a wall.
 */
export function isEndedCodestream(bytes: Uint8Array): boolean {
	let end = bytes.length;
	while (end > 2 && bytes[end - 1] === 0) end--;
	return bytes[end - 2] === 0xff && bytes[end - 1] === 0xd9;
}
