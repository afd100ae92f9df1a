import { systemClock } from "@psgl/sdk";
import test from "ava";

test("the system clock tells the time of day in milliseconds", (t) => {
	const before = Date.now();
	const now = systemClock.now();
	t.true(now >= before && now <= Date.now());
});

test("a sleep that is not interrupted ends by itself", async (t) => {
	await t.notThrowsAsync(systemClock.sleep(1));
	await t.notThrowsAsync(systemClock.sleep(1, new AbortController().signal));
});

test("an aborted sleep rejects with the signal's reason", async (t) => {
	const controller = new AbortController();
	const reason = new Error("shutting down");
	const sleep = systemClock.sleep(3_600_000, controller.signal);
	controller.abort(reason);
	t.is(await t.throwsAsync(sleep), reason);
});

test("a sleep under a signal that was aborted before does not start", async (t) => {
	const reason = new Error("already over");
	t.is(await t.throwsAsync(systemClock.sleep(3_600_000, AbortSignal.abort(reason))), reason);
});

test("a signal serves many sleeps without gathering listeners", async (t) => {
	const { signal } = new AbortController();
	const warnings: Error[] = [];
	const onWarning = (warning: Error) => warnings.push(warning);
	process.on("warning", onWarning);
	t.teardown(() => process.off("warning", onWarning));
	for (let i = 0; i < 20; i++) await systemClock.sleep(0, signal);
	await new Promise((resolve) => process.nextTick(resolve));
	t.deepEqual(warnings, []);
});
