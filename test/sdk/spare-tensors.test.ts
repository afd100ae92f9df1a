import { SpareTensors, spareLimits, zeros } from "@psgl/sdk";
import test from "ava";

test("a tensor that was given is taken once, by its element type and shape alone", (t) => {
	const spare = new SpareTensors();
	const given = zeros("float32", [2, 3]);
	spare.give(given);
	spare.give(given);
	t.is(spare.take("float32", [3, 2]), undefined);
	t.is(spare.take("int32", [2, 3]), undefined);
	t.is(spare.take("float32", [2, 3]), given);
	t.is(spare.take("float32", [2, 3]), undefined);
});

test("maxSpareTensors: the last that was given goes first, and of one more the oldest is not kept", (t) => {
	const spare = new SpareTensors();
	const given = Array.from({ length: spareLimits.maxSpareTensors + 1 }, () => zeros("float16", [4]));
	for (const each of given) spare.give(each);
	const taken = given.map(() => spare.take("float16", [4]));
	t.deepEqual(
		taken.map((each) => (each === undefined ? -1 : given.indexOf(each))),
		[8, 7, 6, 5, 4, 3, 2, 1, -1],
	);
});

test("maxSpareBytes: older ones make room, and what is longer by itself is not kept", (t) => {
	const spare = new SpareTensors();
	const half = [spareLimits.maxSpareBytes / 2];
	const given = [zeros("int8", half), zeros("int8", half), zeros("uint8", [1])] as const;
	for (const each of given) spare.give(each);
	t.is(spare.take("int8", half), given[1]);
	t.is(spare.take("int8", half), undefined);
	spare.give(zeros("uint8", [spareLimits.maxSpareBytes + 1]));
	t.is(spare.take("uint8", [spareLimits.maxSpareBytes + 1]), undefined);
	t.is(spare.take("uint8", [1]), undefined);
});
