import { type ConnectionError, seededRandom, type TransportEvent } from "@psgl/sdk";
import { MemoryHub } from "@psgl/sdk/transport/memory";
import test from "ava";
import { ManualClock } from "../helpers/manual-clock.js";

test("backOffBaseMs, backOffCapMs: delays between attempts are uniform below a bound that doubles from 0.25 s to 30 s", async (t) => {
	const hub = new MemoryHub();
	hub.available = false;
	const clock = new ManualClock();
	const drawn = seededRandom(5);
	const transport = hub.transport({ clientId: "a", clock, random: seededRandom(5) });
	const events: TransportEvent[] = [];
	transport.on((event) => events.push(event));
	const stopped = t.throwsAsync(transport.connect(), { code: "PSGL_TRANSPORT_CLOSED" });
	await clock.advance(0);
	for (let attempt = 1; attempt <= 12; attempt++) {
		t.is(events.length, attempt);
		const delayMs = drawn.uniform() * Math.min(30_000, 250 * 2 ** (attempt - 1));
		t.like(events.at(-1), { type: "retry", attempt, delayMs });
		await clock.advance(delayMs);
	}
	await transport.close();
	await stopped;
});

test("the error of a missed deadline names the last failure", async (t) => {
	const hub = new MemoryHub();
	hub.available = false;
	const clock = new ManualClock();
	const transport = hub.transport({ clientId: "a", clock, random: seededRandom(1), connectDeadlineMs: 1000 });
	const failed = t.throwsAsync<ConnectionError>(transport.connect(), { code: "PSGL_BROKER_UNREACHABLE" });
	await clock.advance(999);
	t.is(transport.state, "connecting");
	await clock.advance(1);
	t.regex(
		(await failed)?.message ?? "",
		/no connection to the hub in memory within 1000 ms; got .*takes no connections/,
	);
	t.is(transport.state, "closed");
	t.is(clock.sleeping, 0);
});

test("maxSendQueueBytes: what waits to be sent is bounded", async (t) => {
	const hub = new MemoryHub();
	const transport = hub.transport({ clientId: "a", clock: new ManualClock(), random: seededRandom(1) });
	const large = new Uint8Array(64 * 1024 * 1024);
	const waiting = [transport.publish("t", large), transport.publish("t", large)];
	await t.throwsAsync(transport.publish("t", new Uint8Array(1)), { code: "PSGL_TRANSPORT_QUEUE" });
	await transport.connect();
	await Promise.all(waiting);
	await transport.publish("t", new Uint8Array(1));
	await transport.close();
});

for (const [filter, topic, matches] of [
	["a/b", "a/b", true],
	["a/+", "a/b", true],
	["a/+", "a/b/c", false],
	["a/+/c", "a/b/c", true],
	["a/#", "a/b/c", true],
	["a/#", "a", true],
	["#", "a/b", true],
	["#", "$SYS/a", false],
	["+/a", "$SYS/a", false],
	["a/b", "a/b/c", false],
	["a/b/c", "a/b", false],
	["+", "a", true],
] as const) {
	test(`the filter ${filter} ${matches ? "matches" : "does not match"} the topic ${topic}`, async (t) => {
		const hub = new MemoryHub();
		await using client = hub.transport({ clientId: "a", clock: new ManualClock(), random: seededRandom(1) });
		const got: string[] = [];
		await client.subscribe(filter, (message) => void got.push(message.topic));
		await client.subscribe("end", (message) => void got.push(message.topic));
		const end = new Promise<void>((resolve) => client.on(() => resolve()));
		await client.connect();
		await end;
		await client.publish(topic, new Uint8Array(1));
		await client.publish("end", new Uint8Array(1));
		await new Promise((resolve) => setImmediate(resolve));
		const expected = filter === "#" || filter === "+" ? ["end", "end"] : ["end"];
		t.deepEqual(got, matches ? [topic, ...expected] : expected);
	});
}
