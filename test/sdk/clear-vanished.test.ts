import { clearVanished } from "@psgl/sdk";
import test from "ava";

test("every 128th step what has all but vanished becomes zero, and nothing else changes", (t) => {
	const values = [0, 1e-44, -1e-35, 2 ** -101, -(2 ** -100), 1e-29, -3, Number.NaN, Number.POSITIVE_INFINITY];
	const slots = Float32Array.from(values);
	for (const step of [1, 127, 129]) clearVanished(slots, step);
	t.deepEqual(slots, Float32Array.from(values));
	clearVanished(slots, 256);
	t.deepEqual(slots, Float32Array.from([0, 0, 0, 0, ...values.slice(4)]));
});

test("a sum without gradients never gets below the normal numbers", (t) => {
	const slots = Float32Array.of(1e-3);
	const smallestNormal = 2 ** -126;
	for (let step = 1; step <= 2000; step++) {
		slots[0] = (slots[0] as number) * 0.9;
		clearVanished(slots, step);
		t.true(slots[0] === 0 || (slots[0] as number) >= smallestNormal);
	}
	t.is(slots[0], 0);
});
