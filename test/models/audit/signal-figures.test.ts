import { dynamicTimeWarping, signalFigures } from "@psgl/models";
import { tensor } from "@psgl/sdk";
import test from "ava";

const beat = (shift: number, height = 1) =>
	Float32Array.from({ length: 40 }, (_, i) => height * Math.exp(-((i - 20 - shift) ** 2) / 8));

/** The same recursion without a band, written down as in the paper. */
function reference(a: Float32Array, b: Float32Array): number {
	const memo = new Map<number, number>();
	const cost = (i: number, j: number): number => {
		if (i < 0 || j < 0) return Number.POSITIVE_INFINITY;
		const known = memo.get(i * b.length + j);
		if (known !== undefined) return known;
		const d = Math.abs((a[i] as number) - (b[j] as number));
		const least =
			i === 0 && j === 0 ? 2 * d : Math.min(cost(i - 1, j - 1) + 2 * d, cost(i - 1, j) + d, cost(i, j - 1) + d);
		memo.set(i * b.length + j, least);
		return least;
	};
	return cost(a.length - 1, b.length - 1) / (a.length + b.length);
}

test("dynamic time warping forgives a small shift, and nothing else", (t) => {
	t.is(dynamicTimeWarping(beat(0), beat(0), 1), 0);
	const plain = beat(0).reduce((sum, value, i) => sum + Math.abs(value - (beat(3)[i] as number)) / 40, 0);
	t.true(dynamicTimeWarping(beat(0), beat(3), 1) < 0.1 * plain);
	t.true(dynamicTimeWarping(beat(0), beat(12), 1) > 5 * dynamicTimeWarping(beat(0), beat(3), 1), "beyond the band");
	t.true(dynamicTimeWarping(beat(0), beat(0, 0.5), 1) > 0.01);
	const short = [Float32Array.of(0, 1, 1, 0), Float32Array.of(0, 0, 1, 0)] as const;
	t.true(Math.abs(dynamicTimeWarping(...short, 1) - reference(...short)) < 1e-6);
	const near = [beat(0), beat(1, 0.8)] as const;
	t.true(Math.abs(dynamicTimeWarping(...near, 1) - reference(...near)) < 1e-6, "the best path is inside the band");
	const both = Float32Array.of(...beat(0), ...beat(0));
	t.true(
		Math.abs(
			dynamicTimeWarping(both, Float32Array.of(...beat(2), ...beat(2)), 2) - dynamicTimeWarping(beat(0), beat(2), 1),
		) < 1e-6,
	);
});

test("own correlation is of what a signal has beyond its class mean", (t) => {
	const mean = beat(0);
	const own = Float32Array.from({ length: 40 }, (_, i) => Math.sin(i));
	const add = (share: number) => mean.map((value, i) => value + share * (own[i] as number));
	const of = (data: Float32Array) => tensor("float32", [1, 1, 40], data);
	t.true(Math.abs(signalFigures(of(add(0.1)), of(add(0.02)), of(mean)).ownCorrelation - 1) < 1e-3);
	t.true(Math.abs(signalFigures(of(add(0.1)), of(add(-0.1)), of(mean)).ownCorrelation + 1) < 1e-3);
	t.is(signalFigures(of(add(0.1)), of(mean), of(mean)).ownCorrelation, 0, "the class mean has nothing of its own");
});
