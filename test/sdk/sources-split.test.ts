import { seededRandom } from "@psgl/sdk";
import { indicesByClass, recordSplit, stratifiedSplit } from "@psgl/sdk/sources";
import test from "ava";

const labels = Int32Array.from({ length: 1000 }, (_, i) => (i % 10 < 7 ? 0 : i % 10 < 9 ? 1 : 2));
const countOf = (indices: Uint32Array, label: number) => indices.filter((i) => labels[i] === label).length;

test("every class keeps its share and every sample is in one half", (t) => {
	const { kept, taken } = stratifiedSplit(labels, 0.15, 5000, seededRandom(1));
	t.deepEqual(
		[0, 1, 2].map((label) => countOf(taken, label)),
		[105, 30, 15],
	);
	t.deepEqual(
		[...kept, ...taken].sort((a, b) => a - b),
		Array.from(labels.keys()),
	);
	t.deepEqual(taken, taken.toSorted());
	t.deepEqual(kept, kept.toSorted());
});

test("the cap lowers the share of every class", (t) => {
	const { taken } = stratifiedSplit(labels, 0.15, 100, seededRandom(1));
	t.deepEqual(
		[0, 1, 2].map((label) => countOf(taken, label)),
		[70, 20, 10],
	);
});

test("the seed decides which samples are taken", (t) => {
	const take = (seed: number) => stratifiedSplit(labels, 0.15, 5000, seededRandom(seed)).taken;
	t.deepEqual(take(1), take(1));
	t.notDeepEqual(take(1), take(2));
});

test("a class of two is in both halves, a class of one stays", (t) => {
	const { kept, taken } = stratifiedSplit([0, 0, 1], 0.15, 5000, seededRandom(1));
	t.is(taken.length, 1);
	t.true((taken[0] as number) < 2);
	t.true(kept.includes(2));
});

test("indices are grouped by class, empty classes too", (t) => {
	t.deepEqual(indicesByClass([2, 0, 2]), [[1], [], [0, 2]]);
});

test("whole records are taken, close to the share of every class", (t) => {
	const records = Int32Array.from({ length: 600 }, (_, i) => Math.floor(i / 12));
	const labels = Int32Array.from({ length: 600 }, (_, i) => (Math.floor(i / 12) % 5 === 0 ? 1 : i % 7 === 0 ? 1 : 0));
	const { kept, taken } = recordSplit(labels, records, 0.2, 1000, seededRandom(3));
	t.is(kept.length + taken.length, 600);
	const takenRecords = new Set(Array.from(taken, (i) => records[i]));
	t.true(Array.from(kept, (i) => records[i]).every((record) => !takenRecords.has(record)));
	for (const label of [0, 1]) {
		const all = labels.filter((value) => value === label).length;
		const share = taken.filter((i) => labels[i] === label).length / all;
		t.true(Math.abs(share - 0.2) < 0.04, `class ${label}: ${share}`);
	}
	t.deepEqual(recordSplit(labels, records, 0.2, 1000, seededRandom(3)).taken, taken);
	t.deepEqual(recordSplit([0, 1], [4, 4], 0.5, 1000, seededRandom(3)).taken, new Uint32Array(0));
	t.is(recordSplit([0, 1], [4, 5], 0.1, 1000, seededRandom(3)).taken.length, 1);
});
