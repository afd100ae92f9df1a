/** Where chance has to be beyond anyone's guess: the operating system's generator, in [0, 1) with 53 bits. */
export function secureUniform(): number {
	const [high = 0, low = 0] = crypto.getRandomValues(new Uint32Array(2));
	return ((high >>> 5) * 2 ** 26 + (low >>> 6)) / 2 ** 53;
}
