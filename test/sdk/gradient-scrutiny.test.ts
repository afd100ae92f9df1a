import { GradientScrutiny, scrutinyLimits, seededRandom, type Tensor, tensor } from "@psgl/sdk";
import test from "ava";

const random = seededRandom(11);
const noise = (count: number, scale = 1) => Float32Array.from({ length: count }, () => scale * random.normal());

/** Gradients [B,2,3]: of each class's own direction, and noise. */
function gradients(labels: readonly number[], share: number): Tensor<"float32"> {
	const directions = [0, 1, 2].map((k) => seededRandom(k + 1));
	const own = directions.map((draws) => Float32Array.from({ length: 6 }, () => draws.normal()));
	const data = noise(6 * labels.length, 1 - share);
	labels.forEach((label, n) => {
		// Samples far from the boundary have small gradients of the same direction.
		const size = 10 ** (-3 * random.uniform());
		for (let i = 0; i < 6; i++) {
			data[6 * n + i] = size * ((data[6 * n + i] as number) + share * ((own[label] as Float32Array)[i] as number));
		}
	});
	return tensor("float32", [labels.length, 2, 3], data);
}

const mixed = [0, 1, 2, 0, 1, 2, 0, 1, 1, 2, 0, 2];

function verdictAfter(batches: number, share: number, labels: readonly number[] = mixed) {
	const scrutiny = new GradientScrutiny();
	const verdicts = Array.from({ length: batches }, () => scrutiny.observe(gradients(labels, share), labels));
	return verdicts.at(-1);
}

test("gradients that follow the classes are not suspicious, those that do not are", (t) => {
	const honest = verdictAfter(scrutinyLimits.scrutinyBatches, 0.7);
	t.false(honest?.suspicious);
	t.true((honest?.separation ?? 0) > 0.3);
	const hijacked = verdictAfter(scrutinyLimits.scrutinyBatches, 0);
	t.like(hijacked, { suspicious: true, raised: true });
	t.true(Math.abs(hijacked?.separation ?? 1) < scrutinyLimits.leastSeparation);
});

test("no verdict before the window is full, nor from batches that cannot be judged", (t) => {
	t.is(verdictAfter(scrutinyLimits.scrutinyBatches - 1, 0), undefined);
	t.is(verdictAfter(50, 0, [1, 1, 1, 1]), undefined, "one class");
	t.is(verdictAfter(50, 0, [0, 1, 2]), undefined, "no two samples of a class");
	const scrutiny = new GradientScrutiny();
	const silent = tensor("float32", [4, 6], new Float32Array(24));
	t.is(scrutiny.observe(silent, [0, 0, 1, 1]), undefined, "no gradient at all");
});

test("a hijack that begins in the middle of training shows within a window", (t) => {
	const scrutiny = new GradientScrutiny();
	for (let n = 0; n < 40; n++) t.not(scrutiny.observe(gradients(mixed, 0.8), mixed)?.suspicious, true);
	let batches = 0;
	while (scrutiny.observe(gradients(mixed, 0), mixed)?.suspicious !== true) batches += 1;
	t.true(batches < scrutinyLimits.scrutinyBatches, `${batches}`);
	t.like(scrutiny.observe(gradients(mixed, 0), mixed), { suspicious: true, raised: false }, "one alarm is enough");
});

test("the separation is the difference of mean cosines over all pairs", (t) => {
	const labels = [0, 0, 1, 1, 1, 2];
	const batch = gradients(labels, 0.5);
	const scrutiny = new GradientScrutiny();
	let verdict = scrutiny.observe(batch, labels);
	for (let n = 1; n < scrutinyLimits.scrutinyBatches; n++) verdict = scrutiny.observe(batch, labels);
	const row = (n: number) => batch.data.subarray(6 * n, 6 * n + 6);
	const cosine = (a: Float32Array, b: Float32Array) =>
		a.reduce((sum, v, i) => sum + v * (b[i] as number), 0) / (Math.hypot(...a) * Math.hypot(...b));
	const pairs = labels.flatMap((a, n) =>
		labels.slice(0, n).map((b, m) => ({ same: a === b, value: cosine(row(n), row(m)) })),
	);
	const mean = (same: boolean) => {
		const chosen = pairs.filter((pair) => pair.same === same);
		return chosen.reduce((sum, { value }) => sum + value, 0) / chosen.length;
	};
	t.true(Math.abs((verdict?.separation ?? 9) - (mean(true) - mean(false))) < 1e-6);
});
