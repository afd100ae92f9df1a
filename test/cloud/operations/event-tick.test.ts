import { mock } from "node:test";
import { cloudLimits as limits } from "@psgl/cloud";
import test from "ava";
import { ManualClock } from "../../helpers/manual-clock.js";
import { operationsCloud } from "../../helpers/operations-cloud.js";

test("eventTickMs: a reader of events hears a sign of life after it, and is sent away with it when its session is over", async (t) => {
	mock.timers.enable({ apis: ["setInterval"] });
	t.teardown(() => mock.timers.reset());
	const clock = new ManualClock(Date.UTC(2026, 0, 1));
	const { url, operator } = await operationsCloud(t, { clock });
	const { cookie = "" } = await operator();
	const { body } = await fetch(`${url}/api/v1/events`, { headers: { cookie } });
	const reader = (body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader();
	let text = "";
	/** Whether so many signs of life come before the end. */
	const hears = async (count: number) => {
		while (text.split("tick").length <= count) {
			const { value, done } = await reader.read();
			if (done) return false;
			text += value;
		}
		return true;
	};
	t.true(await hears(1), "on its way");
	mock.timers.tick(limits.eventTickMs - 1);
	const next = hears(2);
	mock.timers.tick(1);
	t.true(await next);
	await clock.advance(limits.sessionMs);
	mock.timers.tick(limits.eventTickMs);
	t.false(await hears(3));
});
