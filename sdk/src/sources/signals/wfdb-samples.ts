/** Reads ADC values, all signals of a file in turn; NaN where the format's marker says there is none. */
type SampleReader = (bytes: Buffer) => Float32Array;

function fixedWidth(width: number, invalid: number, read: (bytes: Buffer, at: number) => number): SampleReader {
	return (bytes) => {
		const values = new Float32Array(Math.floor(bytes.length / width));
		for (let i = 0; i < values.length; i++) {
			const value = read(bytes, i * width);
			values[i] = value === invalid ? Number.NaN : value;
		}
		return values;
	};
}

/** Two 12-bit values in three bytes: low byte, high nibbles of both, low byte (signal(5), format 212). */
const format212: SampleReader = (bytes) => {
	const pairs = Math.floor(bytes.length / 3);
	const values = new Float32Array(2 * pairs + (bytes.length % 3 === 2 ? 1 : 0));
	for (let i = 0; i < values.length; i++) {
		const at = Math.floor(i / 2) * 3;
		const nibbles = bytes[at + 1] as number;
		const low = i % 2 === 0 ? (bytes[at] as number) : (bytes[at + 2] as number);
		const value = ((((i % 2 === 0 ? nibbles & 0x0f : nibbles >> 4) << 8) | low) << 20) >> 20;
		values[i] = value === -2048 ? Number.NaN : value;
	}
	return values;
};

/** The WFDB signal formats psgl reads, by their number (signal(5) of the WFDB manual). */
export const wfdbFormats: Readonly<Record<number, SampleReader>> = {
	16: fixedWidth(2, -32_768, (bytes, at) => bytes.readInt16LE(at)),
	24: fixedWidth(3, -8_388_608, (bytes, at) => bytes.readIntLE(at, 3)),
	32: fixedWidth(4, -2_147_483_648, (bytes, at) => bytes.readInt32LE(at)),
	61: fixedWidth(2, -32_768, (bytes, at) => bytes.readInt16BE(at)),
	80: fixedWidth(1, -128, (bytes, at) => bytes.readUInt8(at) - 128),
	212: format212,
};
