import { SmashedGuard, smashedGuardLimits } from "@psgl/cloud";
import { seededRandom, type Tensor, tensor } from "@psgl/sdk";
import test from "ava";

const size = 600;

/** Smashed data as after a ReLU: a pattern all devices share, and noise of their own. */
function honest(seed: number, spread = 0.3): Tensor<"float32"> {
	const random = seededRandom(seed);
	const data = Float32Array.from({ length: 4 * size }, (_, i) =>
		Math.max(0, 1 + Math.sin((i % size) / 40) + spread * random.normal()),
	);
	return tensor("float32", [4, size], data);
}

const changed = (batch: Tensor<"float32">, to: (value: number) => number) =>
	tensor("float32", batch.dims, batch.data.map(to));

const step = (bad: Tensor<"float32">) => [
	...Array.from({ length: 4 }, (_, i) => ({ device: `good-${i}`, smashed: honest(i + 1) })),
	{ device: "bad", smashed: bad },
];

test("honest batches stay, also where devices differ", (t) => {
	const guard = new SmashedGuard();
	t.deepEqual(guard.judge(step(honest(9))), []);
	t.deepEqual(guard.judge(step(honest(9, 0.8))), []);
	t.deepEqual(guard.judge(step(changed(honest(9), (value) => 1.5 * value))), []);
});

test("batches that are too large, too small, turned round, random or all zeros are found in the first step", (t) => {
	const random = seededRandom(5);
	const poisoned = {
		large: changed(honest(9), (value) => 3 * value),
		small: changed(honest(9), (value) => value / 3),
		turned: changed(honest(9), (value) => -value),
		random: changed(honest(9), () => 1.2 * random.normal()),
		zeros: changed(honest(9), () => 0),
	};
	for (const [name, batch] of Object.entries(poisoned)) {
		const outliers = new SmashedGuard().judge(step(batch));
		t.deepEqual(
			outliers.map(({ index }) => index),
			[4],
			name,
		);
	}
});

test("minDevices: among fewer devices nobody is left out", (t) => {
	const guard = new SmashedGuard();
	const few = step(changed(honest(9), (value) => -value)).slice(-(smashedGuardLimits.minDevices - 1));
	t.deepEqual(guard.judge(few), []);
});

test("a batch is compared with those of earlier steps; only batches that were trained with are remembered", (t) => {
	const guard = new SmashedGuard();
	for (let i = 0; i < 4; i++) guard.observe([{ device: `good-${i}`, smashed: honest(i + 1) }]);
	const turned = { device: "bad", smashed: changed(honest(9), (value) => -value) };
	t.is(guard.judge([turned]).length, 1);
	// Judged a hundred times, it is no reference for others.
	for (let i = 0; i < 100; i++) guard.judge([{ ...turned, device: `bad-${i}` }]);
	t.deepEqual(guard.judge([{ device: "good-9", smashed: honest(10) }]), []);
});

test("a device counts once, however many batches it sends, and the window is bounded", (t) => {
	const guard = new SmashedGuard();
	for (let i = 0; i < 4; i++) guard.observe([{ device: `good-${i}`, smashed: honest(i + 1) }]);
	const turned = changed(honest(9), (value) => -value);
	for (let i = 0; i < 50; i++) guard.observe([{ device: "bad", smashed: turned }]);
	t.is(guard.judge([{ device: "bad", smashed: turned }]).length, 1);
	// Past its length the window forgets the devices heard of longest ago: turned is then what devices send.
	for (let i = 0; i < smashedGuardLimits.window; i++) guard.observe([{ device: `new-${i}`, smashed: turned }]);
	t.deepEqual(guard.judge([{ device: "bad", smashed: turned }]), []);
	t.is(guard.judge([{ device: "good-0", smashed: honest(1) }]).length, 1);
});

test("the same batches in the same order give the same decisions", (t) => {
	const run = () => {
		const guard = new SmashedGuard();
		const random = seededRandom(3);
		return Array.from({ length: 20 }, (_, i) => {
			const batches = step(changed(honest(20 + i), (value) => (random.uniform() < 0.5 ? -value : value)));
			const outliers = guard.judge(batches);
			guard.observe(batches.filter((_, index) => outliers.every((outlier) => outlier.index !== index)));
			return outliers;
		});
	};
	t.deepEqual(run(), run());
});

const flat = (value: (i: number) => number, length = size) =>
	tensor(
		"float32",
		[1, length],
		Float32Array.from({ length }, (_, i) => value(i)),
	);
const judgedAmong = (others: readonly Tensor<"float32">[], one: Tensor<"float32">) =>
	new SmashedGuard().judge([...others, one].map((smashed, i) => ({ device: `device-${i}`, smashed }))).length;
const same = Array.from({ length: 5 }, () => flat(() => 1));

test("maxNormRatio: a batch up to so many times as large or small stays, one beyond is left out", (t) => {
	const { maxNormRatio } = smashedGuardLimits;
	for (const [factor, outliers] of [
		[maxNormRatio - 0.01, 0],
		[maxNormRatio + 0.01, 1],
		[1 / (maxNormRatio - 0.01), 0],
		[1 / (maxNormRatio + 0.01), 1],
	] as const) {
		t.is(
			judgedAmong(
				same,
				flat(() => factor),
			),
			outliers,
			String(factor),
		);
	}
});

test("maxCosineLoss: a batch that points up to so far elsewhere stays, one beyond is left out", (t) => {
	// Runs of values of -1 among 1: a share s of them gives the cosine 1 - 2 s to the others.
	const turned = (share: number) => flat((i) => (i < share * size ? -1 : 1));
	t.is(judgedAmong(same, turned(smashedGuardLimits.maxCosineLoss / 2 - 0.01)), 0);
	t.is(judgedAmong(same, turned(smashedGuardLimits.maxCosineLoss / 2 + 0.01)), 1);
});

test("maxSpreads: where honest devices differ much, a batch as many spreads away stays, and one beyond is left out", (t) => {
	// Logarithms of the sizes -2, -1, 0, 1, 2 and x >= 2: their median is 0.5, and deviations from it have the median 1.5.
	const others = [-2, -1, 0, 1, 2].map((logSize) => flat(() => Math.exp(logSize)));
	const far = 0.5 + smashedGuardLimits.maxSpreads * 1.4826 * 1.5;
	t.is(
		judgedAmong(
			others,
			flat(() => Math.exp(far - 0.1)),
		),
		0,
	);
	t.is(
		judgedAmong(
			others,
			flat(() => Math.exp(far + 0.1)),
		),
		1,
	);
});

test("summaryLength: a batch of more values is summarised by the means of runs of neighbours, whatever lies within one", (t) => {
	const { summaryLength } = smashedGuardLimits;
	const long = 2 * summaryLength;
	const others = Array.from({ length: 5 }, () => flat(() => 1, long));
	// Within each run 3 and -1, whose mean is the others' value; of one value a run, half would be negative.
	const zigzag = (length: number) => flat((i) => (i % 2 === 0 ? 1.5 : -0.5), length);
	t.is(judgedAmong(others, zigzag(long)), 0);
	t.is(
		judgedAmong(
			Array.from({ length: 5 }, () => flat(() => 0.9, summaryLength)),
			zigzag(summaryLength),
		),
		1,
	);
});
