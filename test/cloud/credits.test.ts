import { Credits } from "@psgl/cloud";
import test from "ava";
import fc from "fast-check";

/** Credits of so many places, and who was told to go on. */
function credits(places: number) {
	const granted: string[] = [];
	return { granted, of: new Credits(places, (device, { upTo }) => granted.push(`${device}:${upTo}`)) };
}

test("devices get places in the order they ask, and wait when there are none", (t) => {
	const { of, granted } = credits(2);
	for (const device of ["a", "b", "c", "d"]) of.open(device, 1);
	t.deepEqual([of.of("a")?.upTo, of.of("b")?.upTo, of.of("c")?.upTo], [1, 1, 0]);
	t.deepEqual([of.isQueued("b"), of.isQueued("c")], [false, true]);
	// The answer frees a place for c; a asks again, behind d.
	of.answered("a", 0);
	t.deepEqual(granted, ["c:1"]);
	of.answered("b", 0);
	of.answered("c", 0);
	t.deepEqual(granted, ["c:1", "d:1", "a:2"]);
});

test("where there is room the next batch's credit is there with the answer", (t) => {
	const { of, granted } = credits(2);
	of.open("a", 3);
	of.answered("a", 0);
	t.like(of.of("a"), { epoch: 3, upTo: 2 });
	t.deepEqual(granted, []);
	of.answered("a", 0);
	t.is(of.of("a")?.upTo, 2, "an answer that is given again grants nothing");
});

test("a device that is given up leaves its place to others and may still send", (t) => {
	const { of, granted } = credits(1);
	of.open("a", 1);
	of.open("b", 1);
	of.leave("a");
	t.deepEqual(granted, ["b:1"]);
	t.true(of.admit("a", 0), "it has credit");
	of.open("c", 1);
	t.false(of.admit("c", 0), "it has none, and there is no room");
});

test("devices that nothing goes on without get places beyond the bound", (t) => {
	const { of, granted } = credits(1);
	for (const device of ["a", "b", "c"]) of.open(device, 1);
	of.press(["a", "c"]);
	t.deepEqual(granted, ["c:1"]);
	t.true(of.isQueued("b"));
});

test("who leaves the round for good gives everything back", (t) => {
	const { of, granted } = credits(1);
	of.open("a", 1);
	of.open("b", 1);
	of.close("b");
	of.close("a");
	t.deepEqual(granted, []);
	t.is(of.of("a"), undefined);
	of.open("c", 2);
	t.is(of.of("c")?.upTo, 1);
});

test("never more than the places are under way, and everybody gets on", (t) => {
	fc.assert(
		fc.property(
			fc.integer({ min: 1, max: 5 }),
			fc.integer({ min: 1, max: 9 }),
			fc.array(fc.nat(8)),
			(places, devices, order) => {
				const { of } = credits(places);
				const names = Array.from({ length: devices }, (_, i) => `device-${i}`);
				const sent = new Map(names.map((name) => [name, 0]));
				for (const name of names) of.open(name, 1);
				const underWay = () => names.filter((name) => (of.of(name)?.upTo ?? 0) > (sent.get(name) as number));
				for (const choice of [...order, ...Array.from({ length: 4 * devices }, (_, i) => i)]) {
					const ready = underWay();
					if (ready.length > places || ready.length === 0) return false;
					const name = ready[choice % ready.length] as string;
					of.answered(name, sent.get(name) as number);
					sent.set(name, (sent.get(name) as number) + 1);
				}
				return Math.max(...sent.values()) > 0;
			},
		),
	);
	t.pass();
});

test("a device has as many places as its window, after those that have none", (t) => {
	const { of, granted } = credits(4);
	of.open("a", 1, 3);
	t.is(of.of("a")?.upTo, 3);
	of.open("b", 1, 3);
	t.is(of.of("b")?.upTo, 1);
	of.open("c", 1, 3);
	t.true(of.isQueued("c"));
	t.false(of.isQueued("b"), "it has one");
	of.answered("a", 0);
	t.deepEqual(granted, ["c:1"]);
	of.answered("a", 1);
	t.deepEqual(granted, ["c:1", "b:2"], "b asked before a asked again");
	of.close("a");
	t.deepEqual(granted, ["c:1", "b:2", "b:3"]);
	of.leave("b");
	t.deepEqual(granted.slice(3), ["c:2", "c:3"]);
	t.true(of.admit("b", 0) && of.admit("b", 2), "what it was granted it may still send");
});
