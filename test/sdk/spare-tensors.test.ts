import { SpareTensors, zeros } from "@psgl/sdk";
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

test("the last that was given goes first, and of nine the oldest is not kept", (t) => {
	const spare = new SpareTensors();
	const given = Array.from({ length: 9 }, () => zeros("float16", [4]));
	for (const each of given) spare.give(each);
	const taken = Array.from({ length: 9 }, () => spare.take("float16", [4]));
	t.deepEqual(
		taken.map((each) => (each === undefined ? -1 : given.indexOf(each))),
		[8, 7, 6, 5, 4, 3, 2, 1, -1],
	);
});
