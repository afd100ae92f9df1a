import { type LearningRateSchedule, learningRateShare } from "@psgl/cloud";
import test from "ava";

const sharesOf = (schedule: LearningRateSchedule, rounds: number) =>
	Array.from({ length: rounds }, (_, i) => learningRateShare(schedule, i + 1, rounds));

test("the learning rate is constant in the first half and falls linearly in the second", (t) => {
	const shares = (rounds: number) =>
		Array.from({ length: rounds }, (_, i) => learningRateShare({ kind: "linear", warmUpRounds: 0 }, i + 1, rounds));
	t.deepEqual(shares(8), [1, 1, 1, 1, 1, 0.75, 0.5, 0.25]);
	t.deepEqual(shares(1), [1]);
	t.deepEqual(shares(2), [1, 1]);
	t.true(shares(101).every((share) => share > 0 && share <= 1));
});

test("constant and step", (t) => {
	t.deepEqual(sharesOf({ kind: "constant", warmUpRounds: 0 }, 3), [1, 1, 1]);
	const steps = { kind: "step", warmUpRounds: 0, everyRounds: 2, factor: 0.5 } as const;
	t.deepEqual(sharesOf(steps, 5), [1, 1, 0.5, 0.5, 0.25]);
});

test("half a cosine from the whole rate towards none, the same amount below the middle as above it", (t) => {
	const shares = sharesOf({ kind: "cosine", warmUpRounds: 0 }, 6);
	const expected = [1, (2 + Math.sqrt(3)) / 4, 0.75, 0.5, 0.25, (2 - Math.sqrt(3)) / 4];
	for (const [i, share] of shares.entries()) t.true(Math.abs(share - (expected[i] as number)) < 1e-12, String(share));
});

test("warm-up rises to what the schedule says", (t) => {
	t.deepEqual(sharesOf({ kind: "constant", warmUpRounds: 3 }, 6), [0.25, 0.5, 0.75, 1, 1, 1]);
	const steps = { kind: "step", warmUpRounds: 1, everyRounds: 1, factor: 0.5 } as const;
	t.deepEqual(sharesOf(steps, 3), [0.5, 0.5, 0.25]);
	for (const kind of ["linear", "cosine"] as const) {
		t.true(sharesOf({ kind, warmUpRounds: 9 }, 9).every((share) => share > 0 && share < 1));
	}
});
