import { averagingMethods, type ClientPart, combineClients, findOutliers, outlierLimits } from "@psgl/cloud";
import { type Random, ShapeError, seededRandom } from "@psgl/sdk";
import type { ClientWeights } from "@psgl/sdk/protocol";
import test from "ava";

const vector = (data: Float32Array) => ({ dtype: "float32", dims: [data.length], data }) as const;
const filled = (length: number, value: (i: number) => number) =>
	vector(Float32Array.from({ length }, (_, i) => value(i)));

/** Weights around `centre`, each value with its own noise. */
function near(centre: number, noise: number, random: Random): ClientWeights {
	const around = () => centre + noise * random.normal();
	return { params: filled(50, around), stats: filled(5, around), head: filled(10, around) };
}

const constant = (value: number): ClientWeights => ({
	params: filled(4, () => value),
	stats: filled(2, () => value),
	head: filled(3, () => value),
});

const part = (client: ClientWeights, weight = 10): ClientPart => ({ client, weight });
const distance = ({ params }: ClientWeights, value: number) =>
	Math.max(...Array.from(params.data, (each) => Math.abs(each - value)));

test("a fifth of the devices moves the mean anywhere, and the others hardly", (t) => {
	const random = seededRandom(4);
	for (const bad of [1e6, -1e6, 5]) {
		const parts = Array.from({ length: 10 }, (_, i) => part(i < 2 ? constant50(bad) : near(1, 0.1, random)));
		t.true(distance(combineClients(parts, "mean"), 1) > 0.5);
		for (const method of ["trimmed-mean", "median", "krum"] as const) {
			t.true(distance(combineClients(parts, method), 1) < 0.3, `${method} with ${bad}`);
		}
	}
});

function constant50(value: number): ClientWeights {
	return { params: filled(50, () => value), stats: filled(5, () => value), head: filled(10, () => value) };
}

test("values by hand", (t) => {
	const parts = [7, 1, 2, 100, 3].map((value, i) => part(constant(value), i + 1));
	const first = (method: (typeof averagingMethods)[number]) => combineClients(parts, method).head.data[0];
	t.is(first("median"), 3);
	t.is(first("trimmed-mean"), 4, "of 2, 3 and 7");
	t.is(first("krum"), 3.25, "of 1, 2, 3 and 7");
	t.is(first("mean"), Math.fround((7 + 2 + 6 + 400 + 15) / 15));
});

test("an even number of devices: the median is the mean of the two in the middle", (t) => {
	const parts = [1, 2, 4, 50].map((value) => part(constant(value)));
	t.is(combineClients(parts, "median").params.data[0], 3);
});

test("samples a device claims count in the mean alone", (t) => {
	const parts = [1, 1, 1, 9].map((value, i) => part(constant(value), i === 3 ? 1_000_000 : 1));
	t.true((combineClients(parts, "mean").params.data[0] as number) > 8.9);
	for (const method of ["trimmed-mean", "median", "krum"] as const) {
		t.is(combineClients(parts, method).params.data[0], 1);
	}
});

test("equal weights stay the same to the last bit, and two devices are averaged whatever the method", (t) => {
	const own = near(0.1, 3, seededRandom(8));
	for (const method of averagingMethods) {
		t.deepEqual(
			combineClients(
				Array.from({ length: 7 }, (_, i) => part(own, i + 1)),
				method,
			),
			own,
		);
		t.is(combineClients([part(constant(1)), part(constant(3))], method).params.data[0], 2);
		t.throws(() => combineClients([], method), { instanceOf: ShapeError, code: "PSGL_AVERAGE_SHAPE" });
	}
});

test("the guard names who changed far too much and who went the other way, and nobody else", (t) => {
	const random = seededRandom(2);
	const before = constant50(1);
	const honest = Array.from({ length: 8 }, () => near(1.1, 0.02, random));
	const found = findOutliers(before, [...honest, constant50(1.1 + 10), near(0.9, 0.02, random)]);
	t.deepEqual(
		found.map(({ index }) => index),
		[8, 9],
	);
	t.regex(found[0]?.reason ?? "", /times as long/);
	t.regex(found[1]?.reason ?? "", /cosine -/);
	t.deepEqual(findOutliers(before, honest), []);
	t.deepEqual(findOutliers(before, honest.fill(before)), [], "nobody moved");
});

test("minDevices: the guard says nothing of fewer devices than can tell", (t) => {
	const parts = [constant50(1), constant50(1), constant50(900)];
	t.is(parts.length, outlierLimits.minDevices - 1);
	t.deepEqual(findOutliers(constant50(0), parts), []);
});

test("maxNormRatio, minCosine: a change within them stays, one beyond is left out", (t) => {
	const before = constant50(0);
	const others = Array.from({ length: 5 }, () => constant50(1));
	const judged = (one: ClientWeights) => findOutliers(before, [...others, one]).length;
	t.is(judged(constant50(outlierLimits.maxNormRatio)), 0);
	t.is(judged(constant50(outlierLimits.maxNormRatio + 0.01)), 1);
	// As long as the others' change; `against` of its values point the other way, so that its cosine is 1 - 2 against / 60.
	const turned = (against: number): ClientWeights => ({
		...constant50(1),
		params: filled(50, (i) => (i < against ? -1 : 1)),
	});
	t.is(outlierLimits.minCosine, 0);
	t.is(judged(turned(30)), 0);
	t.is(judged(turned(31)), 1);
});
