import { crc32, deflateSync } from "node:zlib";

/**
 * A PNG without filtering (ISO/IEC 15948): grey (1 channel) or RGB (3), 8 bits, or 16 where `values` are uint16.
 *
 * @param values [height, width, channels]
 */
export function pngBytes(width: number, height: number, channels: 1 | 3, values: Uint8Array | Uint16Array): Uint8Array {
	const bytes = values.BYTES_PER_ELEMENT;
	const stride = width * channels * bytes;
	const rows = Buffer.alloc(height * (stride + 1));
	for (let y = 0; y < height; y++) {
		for (let i = 0; i < width * channels; i++) {
			rows.writeUIntBE(values[y * width * channels + i] as number, y * (stride + 1) + 1 + i * bytes, bytes);
		}
	}
	const header = Buffer.alloc(13);
	header.writeUInt32BE(width, 0);
	header.writeUInt32BE(height, 4);
	header[8] = 8 * bytes;
	header[9] = channels === 3 ? 2 : 0;
	return Buffer.concat([
		Buffer.from("89504e470d0a1a0a", "hex"),
		chunk("IHDR", header),
		chunk("IDAT", deflateSync(rows)),
		chunk("IEND", Buffer.alloc(0)),
	]);
}

function chunk(type: string, data: Uint8Array): Buffer {
	const body = Buffer.concat([Buffer.from(type), data]);
	const frame = Buffer.alloc(8);
	frame.writeUInt32BE(data.length, 0);
	frame.writeUInt32BE(crc32(body), 4);
	return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
}
