import { TokenBucket, TokenBuckets } from "@psgl/cloud";
import test from "ava";

test("a burst at once, then one for each that time brings", (t) => {
	const bucket = new TokenBucket({ perSecond: 2, burst: 3 }, 0);
	t.deepEqual(
		[0, 0, 0, 0].map((now) => bucket.take(now)),
		[true, true, true, false],
	);
	t.deepEqual(
		[400, 500, 999, 1000].map((now) => bucket.take(now)),
		[false, true, false, true],
	);
	t.false(bucket.isFull(1000));
	t.true(bucket.isFull(2500));
	for (let i = 0; i < 3; i++) t.true(bucket.take(60_000), "no more than the burst is saved up");
	t.false(bucket.take(60_000));
});

test("a clock that goes back neither fills nor blocks", (t) => {
	const bucket = new TokenBucket({ perSecond: 1, burst: 1 }, 10_000);
	t.true(bucket.take(10_000));
	t.false(bucket.take(0));
	t.true(bucket.take(1000));
});

test("each key has its own; keys are bounded, full buckets make room, used ones do not", (t) => {
	const buckets = new TokenBuckets({ perSecond: 1, burst: 1 }, 2);
	t.true(buckets.take("a", 0));
	t.false(buckets.take("a", 0));
	t.true(buckets.take("b", 0));
	t.false(buckets.take("c", 500), "no room while a and b are watched");
	t.true(buckets.take("c", 1000));
	t.is(buckets.size, 1);
});
