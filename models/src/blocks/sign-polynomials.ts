/** One step x <- x (a + b x^2 + c x^4). */
export interface QuinticStep {
	readonly a: number;
	readonly b: number;
	readonly c: number;
}

/**
 * Below this fraction of the upper end of the interval a step is fitted as if the interval began here. Without it
 * the best polynomial nearly vanishes inside the interval and rounding could turn a sign over.
 */
const smallestRatio = 0.02;

/**
 * While an interval is wide, the next step is fitted to one that reaches this much further: rounding, which the
 * steep early steps amplify, moves eigenvalues past the end, and a quintic runs away from there.
 */
const guard = 1.01;
const wideError = 1e-3;

/** From here on the interval is so narrow that the best quintic is its limit, Newton-Schulz of order five. */
const narrowRatio = 1 - 5e-6;

/**
 * Steps whose composition takes every x of [lower, 1] to 1 within `tolerance`, and by oddness [-1, -lower] to -1.
 * Each step is the best odd quintic on the interval the steps before it leave (greedy composition is the best
 * composition: Amsel, Persson, Musco and Gower, "The Polar Express", arXiv 2505.16932, theorem 4.1).
 * Inside (0, lower) the composition rises from 0 without leaving (0, 2).
 */
export function signPolynomials(lower: number, tolerance: number): readonly QuinticStep[] {
	const steps: QuinticStep[] = [];
	let low = lower;
	let high = 1;
	while (1 - low > tolerance) {
		const fitted = Math.max(low, smallestRatio * high);
		const step = bestQuintic(fitted, high);
		const error = 1 - evaluate(step, fitted);
		low = Math.min(evaluate(step, low), 1 - error);
		high = (1 + error) * (error > wideError ? guard : 1);
		steps.push(step);
	}
	return steps;
}

function evaluate({ a, b, c }: QuinticStep, x: number): number {
	return x * (a + x * x * (b + x * x * c));
}

/** Best approximation of 1 on [low, high] by an odd quintic, by Remez exchange of its two inner extrema. */
function bestQuintic(low: number, high: number): QuinticStep {
	if (low / high > narrowRatio) return { a: 15 / 8 / high, b: -10 / 8 / high ** 3, c: 3 / 8 / high ** 5 };
	let inner = (3 * low + high) / 4;
	let outer = (low + 3 * high) / 4;
	let error = Number.POSITIVE_INFINITY;
	for (;;) {
		const [a, b, c, e] = equioscillating([low, inner, outer, high]);
		if (Math.abs(e - error) < 1e-14) return { a, b, c };
		error = e;
		const root = Math.sqrt(Math.max(9 * b * b - 20 * a * c, 0));
		inner = Math.sqrt((-3 * b - root) / (10 * c));
		outer = Math.sqrt((-3 * b + root) / (10 * c));
	}
}

/** Solves a x + b x^3 + c x^5 + (-1)^i e = 1 at four points by Gaussian elimination with pivoting. */
function equioscillating(points: readonly number[]): [number, number, number, number] {
	const rows = points.map((x, i) => [x, x ** 3, x ** 5, i % 2 === 0 ? 1 : -1, 1]);
	for (let k = 0; k < 4; k++) {
		const rest = rows.slice(k).map((row) => Math.abs(row[k] as number));
		const pivot = k + rest.indexOf(Math.max(...rest));
		const top = rows[pivot] as number[];
		rows[pivot] = rows[k] as number[];
		rows[k] = top;
		for (let i = 0; i < 4; i++) {
			if (i === k) continue;
			const row = rows[i] as number[];
			const factor = (row[k] as number) / (top[k] as number);
			for (let j = k; j < 5; j++) row[j] = (row[j] as number) - factor * (top[j] as number);
		}
	}
	const at = (i: number) => ((rows[i] as number[])[4] as number) / ((rows[i] as number[])[i] as number);
	return [at(0), at(1), at(2), at(3)];
}
