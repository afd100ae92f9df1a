import { EventQueue, linkModels, VirtualLink } from "@psgl/firmware-sim";
import { seededRandom } from "@psgl/sdk";
import test from "ava";
import fc from "fast-check";

test("events happen in the order of their times, and of their scheduling where these are equal", async (t) => {
	await fc.assert(
		fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 60 }), async (times) => {
			const queue = new EventQueue();
			const happened: (readonly [number, number])[] = [];
			times.forEach((at, i) => {
				queue.at(at, () => {
					happened.push([queue.now, i]);
				});
			});
			await queue.runUntil(21);
			const expected = times.map((at, i) => [at, i] as const).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
			t.deepEqual(happened, expected);
			return true;
		}),
	);
});

test("an event may schedule others, cancel them, or take its time; nothing due later happens", async (t) => {
	const queue = new EventQueue();
	const seen: string[] = [];
	queue.at(5, async () => {
		await Promise.resolve();
		seen.push("slow");
		queue.after(2, () => {
			seen.push("child");
		});
		later.cancel();
	});
	queue.at(5, () => {
		seen.push("after slow");
	});
	const later = queue.at(6, () => {
		seen.push("cancelled");
	});
	queue.at(10, () => {
		seen.push("too late");
	});
	await queue.runUntil(10);
	t.deepEqual(seen, ["slow", "after slow", "child"]);
	t.is(queue.now, 10);
	queue.at(3, () => {
		seen.push("in the past is now");
	});
	await queue.runUntil(11);
	t.deepEqual(seen.slice(3), ["too late", "in the past is now"]);
});

test("a simulation that is aborted ends with the signal's reason", async (t) => {
	const queue = new EventQueue();
	const controller = new AbortController();
	const again = () => {
		queue.after(1, again);
	};
	again();
	controller.abort(new Error("enough"));
	await t.throwsAsync(queue.runUntil(Number.MAX_SAFE_INTEGER, controller.signal), { message: "enough" });
});

test("a message takes its bytes over the rate and the latency, and waits for the one before it", (t) => {
	const model = { ...linkModels.wifi, upBitsPerSecond: 800_000, latencyMs: 10, jitterMs: 0, loss: 0, duty: undefined };
	const link = new VirtualLink(model, seededRandom(1));
	const first = link.transfer(0, 1000, "up");
	// 1,000 bytes and 52 of headers at 100 bytes a millisecond.
	t.is(first.wireBytes, 1052);
	t.is(first.airtimeMs, 10.52);
	t.is(first.arrivesAt, 20.52);
	t.is(link.transfer(0, 1000, "up").arrivesAt, 31.04);
	t.true(link.transfer(0, 1000, "down").arrivesAt < 20, "the other direction is free");
});

test("lost packets are sent again: as many as the loss says, at the price of time", (t) => {
	const model = { ...linkModels.wifi, jitterMs: 0, loss: 0.1, duty: undefined };
	const link = new VirtualLink(model, seededRandom(1));
	const clean = new VirtualLink({ ...model, loss: 0 }, seededRandom(1));
	let [lossy, whole] = [0, 0];
	for (let i = 0; i < 200; i++) {
		lossy += link.transfer(1e6 * i, 20_000, "up").wireBytes;
		whole += clean.transfer(1e6 * i, 20_000, "up").wireBytes;
	}
	t.true(Math.abs(lossy / whole - 1.1) < 0.01, `${lossy / whole}`);
	t.true(link.transfer(1e9, 200_000, "up").arrivesAt > clean.transfer(1e9, 200_000, "up").arrivesAt);
});

test("a link with a duty cycle is there for its share of the time", (t) => {
	const link = new VirtualLink(linkModels.satellite, seededRandom(4));
	const { upMs, periodMs } = linkModels.satellite.duty;
	let up = 0;
	for (let now = 0; now < 10 * periodMs; now += periodMs / 900) if (link.isUp(now)) up++;
	t.is(up, (9000 * upMs) / periodMs);
	const next = link.nextUp(0);
	t.true(link.isUp(next));
	const end = link.endsAt(next) as number;
	t.true(Math.abs(end - next - upMs) < 1e-6 || link.isUp(0));
	t.false(link.isUp(end + 1));
	t.is(new VirtualLink(linkModels.wifi, seededRandom(1)).endsAt(5), undefined);
});
