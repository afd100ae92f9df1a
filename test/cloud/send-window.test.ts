import { SendWindow } from "@psgl/cloud";
import test from "ava";
import { ManualClock } from "../helpers/manual-clock.js";

test("sends wait while more than the window is unacknowledged", async (t) => {
	const clock = new ManualClock();
	const window = new SendWindow(100);
	t.true(await window.open(60, 1000, clock));
	const second = window.open(60, 1000, clock);
	window.acknowledge();
	t.true(await second);
});

test("one message goes however large it is", async (t) => {
	t.true(await new SendWindow(100).open(500, 1000, new ManualClock()));
});

test("a client that acknowledges nothing in time gets nothing more", async (t) => {
	const clock = new ManualClock();
	const window = new SendWindow(100);
	await window.open(100, 1000, clock);
	const second = window.open(1, 1000, clock);
	clock.advance(1000);
	t.false(await second);
});

test("closing ends every wait", async (t) => {
	const window = new SendWindow(100);
	const clock = new ManualClock();
	await window.open(100, 1000, clock);
	const waiting = [window.open(1, 1000, clock), window.open(1, 1000, clock)];
	window.close();
	t.deepEqual(await Promise.all(waiting), [false, false]);
});

test("what the last connection left unacknowledged still counts on the next one", async (t) => {
	const clock = new ManualClock();
	const before = new SendWindow(100);
	await before.open(100, 1000, clock);
	before.close();
	const after = new SendWindow(100, before);
	const waiting = after.open(50, 1000, clock);
	after.acknowledge();
	t.true(await waiting);
});
