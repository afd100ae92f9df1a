import { type Random, seededRandom } from "@psgl/sdk";
import test from "ava";

const draw = (count: number, next: () => number): number[] => Array.from({ length: count }, next);

function moments(values: readonly number[]): { mean: number; variance: number; skewness: number } {
	const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
	const central = (power: number) => values.reduce((sum, v) => sum + (v - mean) ** power, 0) / values.length;
	return { mean, variance: central(2), skewness: central(3) / central(2) ** 1.5 };
}

function correlation(a: readonly number[], b: readonly number[]): number {
	const [of, and] = [moments(a), moments(b)];
	const product = a.reduce((sum, v, i) => sum + (v - of.mean) * ((b[i] as number) - and.mean), 0) / a.length;
	return product / Math.sqrt(of.variance * and.variance);
}

const firstOf = (random: Random, count: number, name: (i: number) => string) =>
	Array.from({ length: count }, (_, i) => random.fork(name(i)).uniform());

test("the same seed draws the same numbers, another seed others", (t) => {
	const numbers = (seed: number) => {
		const random = seededRandom(seed);
		return [random.uniform(), random.normal(), random.gamma(2), random.integer(1000), ...random.permutation(5)];
	};
	t.deepEqual(numbers(5), numbers(5));
	for (let i = 0; i < 4; i++) t.not(numbers(5)[i], numbers(6)[i]);
});

test("uniform numbers fill [0,1) evenly and do not depend on the one before", (t) => {
	const random = seededRandom(1);
	const values = draw(40_000, () => random.uniform());
	t.true(values.every((v) => v >= 0 && v < 1));
	const tenths = new Array<number>(10).fill(0);
	for (const v of values) tenths[Math.floor(v * 10)] = (tenths[Math.floor(v * 10)] as number) + 1;
	// Standard deviation of a tenth: sqrt(40000 * 0.1 * 0.9) = 60.
	for (const count of tenths) t.true(Math.abs(count - 4000) < 300, `${tenths}`);
	t.true(Math.abs(correlation(values.slice(1), values.slice(0, -1))) < 0.03);
});

test("integers reach every value below the bound and none beyond", (t) => {
	const random = seededRandom(2);
	const values = draw(600, () => random.integer(6));
	t.deepEqual([...new Set(values)].sort(), [0, 1, 2, 3, 4, 5]);
	t.is(random.integer(1), 0);
});

test("normal numbers have the moments of the standard normal distribution", (t) => {
	const random = seededRandom(3);
	const values = draw(40_000, () => random.normal());
	const { mean, variance, skewness } = moments(values);
	t.true(Math.abs(mean) < 0.03, `${mean}`);
	t.true(Math.abs(variance - 1) < 0.04, `${variance}`);
	t.true(Math.abs(skewness) < 0.06, `${skewness}`);
	const beyondTwo = values.filter((v) => Math.abs(v) > 2).length / values.length;
	t.true(Math.abs(beyondTwo - 0.0455) < 0.006, `${beyondTwo}`);
	// Both come from one radius: their order must not tie them together.
	t.true(Math.abs(correlation(values.slice(1), values.slice(0, -1))) < 0.03);
});

for (const shape of [0.1, 0.5, 1, 3.5]) {
	test(`gamma numbers of shape ${shape} have mean and variance ${shape}`, (t) => {
		const random = seededRandom(4);
		const values = draw(40_000, () => random.gamma(shape));
		t.true(values.every((v) => v >= 0 && Number.isFinite(v)));
		const { mean, variance, skewness } = moments(values);
		t.true(Math.abs(mean - shape) < 0.05 * Math.max(shape, 0.5), `${mean}`);
		t.true(Math.abs(variance - shape) < 0.12 * Math.max(shape, 0.5), `${variance}`);
		t.true(Math.abs(skewness - 2 / Math.sqrt(shape)) < 0.15 * (2 / Math.sqrt(shape)), `${skewness}`);
	});
}

test("a permutation holds every index once and puts each anywhere", (t) => {
	const random = seededRandom(5);
	t.deepEqual([...random.permutation(0)], []);
	t.deepEqual([...random.permutation(1)], [0]);
	const places = draw(25 * 4000, () => 0);
	for (let trial = 0; trial < 4000; trial++) {
		const order = [...random.permutation(5)];
		t.deepEqual(order.slice().sort(), [0, 1, 2, 3, 4]);
		order.forEach((value, place) => {
			places[value * 5 + place] = (places[value * 5 + place] as number) + 1;
		});
	}
	// Standard deviation of a count: sqrt(4000 * 0.2 * 0.8) = 25.
	for (let i = 0; i < 25; i++) t.true(Math.abs((places[i] as number) - 800) < 125, `${places.slice(0, 25)}`);
});

test("a fork depends on seed and name alone", (t) => {
	const used = seededRandom(6);
	for (let i = 0; i < 100; i++) used.normal();
	t.is(used.fork("a").uniform(), seededRandom(6).fork("a").uniform());
	const seen = new Set<number>();
	// A seed must not be able to stand in for a letter of the name.
	for (let seed = 0; seed < 8; seed++) {
		for (const name of ["", "a", "b", "c", "d", "ab", "ba"]) seen.add(seededRandom(seed).fork(name).uniform());
	}
	t.is(seen.size, 8 * 7);
	t.not(seededRandom(1).fork("a").fork("b").uniform(), seededRandom(1).fork("b").fork("a").uniform());
});

test("neighbouring seeds and forks of neighbouring names start unlike each other", (t) => {
	const bySeed = Array.from({ length: 400 }, (_, seed) => seededRandom(seed).uniform());
	const byName = firstOf(seededRandom(7), 400, (i) => `device ${i}`);
	for (const first of [bySeed, byName]) {
		const { mean, variance } = moments(first);
		t.true(Math.abs(mean - 0.5) < 0.06, `${mean}`);
		t.true(Math.abs(variance - 1 / 12) < 0.02, `${variance}`);
		t.true(Math.abs(correlation(first.slice(1), first.slice(0, -1))) < 0.2);
		const ordered = first.slice(0, 8).sort((a, b) => a - b);
		t.true(
			ordered.every((v, i) => i === 0 || v - (ordered[i - 1] as number) > 1e-3),
			`${ordered}`,
		);
	}
});

test("two forks are not correlated", (t) => {
	const [a, b] = [seededRandom(8).fork("A.conv.weight"), seededRandom(8).fork("R.conv.weight")];
	const values = (random: Random) => draw(20_000, () => random.uniform());
	t.true(Math.abs(correlation(values(a), values(b))) < 0.03);
});
