/** Round numbers, at least `finest` apart, that divide a range into about `wanted` parts, the ends outside it or on it. */
export function ticks(least: number, most: number, wanted: number, finest = 0): readonly number[] {
	const span = most > least ? most - least : wanted * finest || Math.max(Math.abs(most), 1);
	const rough = Math.max(span / wanted, finest);
	const power = 10 ** Math.floor(Math.log10(rough));
	const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough) ?? 10 * power;
	const first = Math.floor(least / step);
	const last = Math.ceil((least + span) / step - 1e-9);
	return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}
