/** Zero crossings of the sinc to each side: -60 dB outside the band with a Hann window. */
const lobes = 16;

/**
 * Values at `count` places of a signal, the first at `start`, each `step` further (both in samples, fractions allowed):
 * band-limited interpolation by a sinc under a Hann window, which for `step` above 1 also takes away what would alias.
 * The signal goes on with its first and last value; NaN spreads to places within reach of it.
 */
export function resampleRange(values: ArrayLike<number>, start: number, step: number, count: number): Float32Array {
	const cutoff = Math.min(1, 1 / step);
	const reach = lobes / cutoff;
	const result = new Float32Array(count);
	for (let i = 0; i < count; i++) {
		const place = start + i * step;
		const from = Math.ceil(place - reach);
		const to = Math.floor(place + reach);
		let sum = 0;
		let weights = 0;
		for (let k = from; k <= to; k++) {
			const x = (k - place) * cutoff;
			const weight = sinc(x) * (0.5 + 0.5 * Math.cos((Math.PI * x) / lobes));
			sum += weight * (values[Math.min(values.length - 1, Math.max(0, k))] as number);
			weights += weight;
		}
		result[i] = sum / weights;
	}
	return result;
}

/** A whole signal at another rate (values a second); it lasts as long as before. */
export function resample(values: ArrayLike<number>, fromRate: number, toRate: number): Float32Array {
	if (fromRate === toRate) return Float32Array.from(values);
	return resampleRange(values, 0, fromRate / toRate, Math.floor((values.length * toRate) / fromRate));
}

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));
