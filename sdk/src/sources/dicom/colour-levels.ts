/** RGB levels in [0,1], interleaved, of stored colour values of `bits` bits. `YBR_FULL` is turned into RGB (PS3.3 C.7.6.3.1.2). */
export function colourLevels(values: ArrayLike<number>, photometric: string, bits: number): Float32Array {
	const most = 2 ** bits - 1;
	const levels = Float32Array.from(values, (value) => value / most);
	if (!photometric.startsWith("YBR_FULL")) return levels;
	// Chrominance 128 of 255 means no colour.
	const neutral = 2 ** (bits - 1) / most;
	for (let i = 0; i < levels.length; i += 3) {
		const y = levels[i] as number;
		const blue = (levels[i + 1] as number) - neutral;
		const red = (levels[i + 2] as number) - neutral;
		levels[i] = clip(y + 1.402 * red);
		levels[i + 1] = clip(y - 0.344136 * blue - 0.714136 * red);
		levels[i + 2] = clip(y + 1.772 * blue);
	}
	return levels;
}

const clip = (value: number): number => Math.min(1, Math.max(0, value));
