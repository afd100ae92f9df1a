/** Widest shift, as a share of the length, that still counts as the same beat. */
const band = 0.1;

/**
 * Dynamic time warping of two signals [C,L] of one shape (Sakoe and Chiba, IEEE TASSP 26(1), 1978, symmetric form P = 0 with a band of a tenth of
 * the length): mean absolute difference along the path where it is least, over the channels and per step of the path; 0 for equal signals.
 */
export function dynamicTimeWarping(a: Float32Array, b: Float32Array, channels: number): number {
	const length = a.length / channels;
	const width = Math.max(1, Math.round(band * length));
	const difference = (i: number, j: number) => {
		let sum = 0;
		for (let c = 0; c < channels; c++) sum += Math.abs((a[c * length + i] as number) - (b[c * length + j] as number));
		return sum / channels;
	};
	let above = new Float64Array(length).fill(Number.POSITIVE_INFINITY);
	for (let i = 0; i < length; i++) {
		const row = new Float64Array(length).fill(Number.POSITIVE_INFINITY);
		for (let j = Math.max(0, i - width); j <= Math.min(length - 1, i + width); j++) {
			const d = difference(i, j);
			// A step along both signals counts twice, so that all paths have the same weight, 2L.
			const straight = i === 0 && j === 0 ? 2 * d : (above[j - 1] ?? Number.POSITIVE_INFINITY) + 2 * d;
			const down = (above[j] as number) + d;
			const across = (row[j - 1] ?? Number.POSITIVE_INFINITY) + d;
			row[j] = Math.min(straight, down, across);
		}
		above = row;
	}
	return (above[length - 1] as number) / (2 * length);
}
