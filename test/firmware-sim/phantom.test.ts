import { type PhantomOptions, phantomSplits } from "@psgl/firmware-sim";
import { ConfigError } from "@psgl/sdk";
import type { Dataset } from "@psgl/sdk/sources";
import test from "ava";

const small = { seed: 1, train: 100, validation: 20, test: 40 } as const;
const classCounts = (dataset: Dataset) =>
	dataset.classes.map((_, label) => dataset.labels.filter((other) => other === label).length);

/** Mean picture of one class, in 0..255. */
function meanPicture(dataset: Dataset, label: number): Float64Array {
	const pixels = dataset.samples.length / dataset.length;
	const mean = new Float64Array(pixels);
	const members = [...dataset.labels.keys()].filter((i) => dataset.labels[i] === label);
	for (const i of members) {
		for (let p = 0; p < pixels; p++) {
			mean[p] = (mean[p] as number) + (dataset.samples[i * pixels + p] as number) / members.length;
		}
	}
	return mean;
}

const meanOf = (picture: Float64Array, rows: [number, number], columns: [number, number]) => {
	let sum = 0;
	for (let y = rows[0]; y < rows[1]; y++)
		for (let x = columns[0]; x < columns[1]; x++) sum += picture[y * 28 + x] as number;
	return sum / ((rows[1] - rows[0]) * (columns[1] - columns[0]));
};

test("the default set says it is synthetic and has its documented sizes and balance", (t) => {
	const set = phantomSplits({ seed: 1 });
	t.true(set.synthetic);
	t.regex(set.name, /synthetic chest phantom/);
	t.deepEqual(set.train.shape, [1, 28, 28]);
	t.deepEqual(set.train.classes, ["normal", "opacity"]);
	t.deepEqual([set.train, set.validation, set.test].map(classCounts), [
		[640, 960],
		[96, 144],
		[192, 288],
	]);
});

test("three and four classes add findings", (t) => {
	t.deepEqual(phantomSplits({ ...small, classes: 3 }).test.classes, ["normal", "opacity", "effusion"]);
	const four = phantomSplits({ ...small, classes: 4 }).train;
	t.deepEqual(four.classes, ["normal", "opacity", "effusion", "nodule"]);
	t.deepEqual(classCounts(four), [40, 25, 20, 15]);
});

test("a seed gives the same pictures, another seed others, and no part repeats another", (t) => {
	const first = phantomSplits(small);
	t.deepEqual(first, phantomSplits(small));
	t.notDeepEqual(first.train.samples, phantomSplits({ ...small, seed: 2 }).train.samples);
	const pictures = [first.train, first.validation, first.test].flatMap((part) =>
		Array.from({ length: part.length }, (_, i) =>
			Buffer.from(part.samples.subarray(i * 784, (i + 1) * 784)).toString("latin1"),
		),
	);
	t.is(new Set(pictures).size, 160);
});

test("the thorax has dark lungs, a bright middle and black corners", (t) => {
	const mean = meanPicture(phantomSplits({ seed: 1 }).train, 0);
	const lungs = meanOf(mean, [8, 15], [6, 9]);
	t.true(meanOf(mean, [8, 24], [13, 15]) > 2 * lungs);
	t.true(meanOf(mean, [0, 3], [0, 3]) < 15);
});

test("findings brighten the lungs, and more so where it is easier", (t) => {
	const contrast = (difficulty: number) => {
		const { train } = phantomSplits({ seed: 1, difficulty });
		return meanOf(meanPicture(train, 1), [6, 15], [5, 10]) - meanOf(meanPicture(train, 0), [6, 15], [5, 10]);
	};
	t.true(contrast(1) > 2);
	t.true(contrast(0) > 2 * contrast(1));
});

test("fluid lies at the base of a lung, a nodule is small", (t) => {
	const { train } = phantomSplits({ seed: 1, classes: 4, train: 2000 });
	const normal = meanPicture(train, 0);
	const rise = (label: number, rows: [number, number]) => {
		const mean = meanPicture(train, label);
		return meanOf(mean, rows, [5, 10]) - meanOf(normal, rows, [5, 10]);
	};
	t.true(rise(2, [14, 18]) > 10);
	t.true(Math.abs(rise(2, [5, 9])) < 3);
	t.true(rise(3, [6, 15]) > 0.5);
	t.true(rise(3, [6, 15]) < rise(1, [6, 15]));
});

test("other sizes show the same thorax", (t) => {
	const { train } = phantomSplits({ ...small, size: 64 });
	t.deepEqual(train.shape, [1, 64, 64]);
	const mean = meanPicture(train, 0);
	t.true((mean[25 * 64 + 32] as number) > 2 * (mean[25 * 64 + 17] as number));
});

test("settings that make no sense are refused", (t) => {
	const wrong: Partial<PhantomOptions>[] = [
		{ size: 8 },
		{ size: 28.5 },
		{ difficulty: 1.1 },
		{ difficulty: Number.NaN },
		{ train: 0 },
		{ test: 2.5 },
	];
	for (const options of wrong) {
		t.throws(() => phantomSplits({ ...small, ...options }), { instanceOf: ConfigError, code: "PSGL_PHANTOM_OPTIONS" });
	}
});
