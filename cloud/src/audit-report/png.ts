import { crc32, deflateSync } from "node:zlib";

const signature = Buffer.from("89504e470d0a1a0a", "hex");

/**
 * A PNG of 8 bits a channel without filtering (ISO/IEC 15948), grey or RGB.
 *
 * @param values [channels, height, width] in [0,1], as samples are; what is outside is clipped
 */
export function pngOf(values: ArrayLike<number>, channels: 1 | 3, height: number, width: number): Uint8Array {
	const stride = width * channels + 1;
	const rows = Buffer.alloc(height * stride);
	for (let c = 0; c < channels; c++) {
		for (let y = 0; y < height; y++) {
			for (let x = 0; x < width; x++) {
				const value = values[(c * height + y) * width + x] as number;
				rows[y * stride + 1 + x * channels + c] = Math.round(255 * Math.min(Math.max(value, 0), 1));
			}
		}
	}
	const header = Buffer.alloc(13);
	header.writeUInt32BE(width, 0);
	header.writeUInt32BE(height, 4);
	header[8] = 8;
	header[9] = channels === 3 ? 2 : 0;
	return Buffer.concat([
		signature,
		chunk("IHDR", header),
		chunk("IDAT", deflateSync(rows)),
		chunk("IEND", Buffer.alloc(0)),
	]);
}

function chunk(type: string, data: Uint8Array): Buffer {
	const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
	const length = Buffer.alloc(4);
	length.writeUInt32BE(data.length);
	const check = Buffer.alloc(4);
	check.writeUInt32BE(crc32(body));
	return Buffer.concat([length, body, check]);
}
