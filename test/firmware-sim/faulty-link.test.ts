import { decodeEntry, startBroker } from "@psgl/cloud";
import { FaultyLink, type LinkFaults } from "@psgl/firmware-sim";
import { seededRandom, systemClock, type Transport, type TransportEvent } from "@psgl/sdk";
import { mqttTransport } from "@psgl/sdk/transport/mqtt";
import test, { type ExecutionContext } from "ava";

const none: LinkFaults = { delay: 0, maxDelayMs: 0, duplicate: 0, reorder: 0, drop: 0, halfOpen: 0 };
const topic = "psgl/1/a/up";

/** A client that publishes 0, 1, 2, … over a link with faults, and what the broker's log holds afterwards. */
async function publishOver(t: ExecutionContext, faults: Partial<LinkFaults>, messages: number) {
	const broker = await startBroker({ port: 0 });
	const random = seededRandom(3);
	const link = await FaultyLink.start({
		port: broker.port,
		faults: { ...none, ...faults },
		random,
		clock: systemClock,
	});
	const transport: Transport = mqttTransport({
		url: link.url,
		clientId: "a",
		clock: systemClock,
		random,
		keepAliveSeconds: 1,
	});
	t.teardown(async () => {
		await transport.close();
		await link.close();
		await broker.close();
	});
	const events: TransportEvent["type"][] = [];
	transport.on(({ type }) => events.push(type));
	await transport.connect();
	const publishing = Array.from({ length: messages }, (_, i) => transport.publish(topic, Uint8Array.of(i)));
	await Promise.all(publishing);
	const arrived: number[] = [];
	const { end } = broker.log;
	for await (const { position, bytes } of broker.log.read(0)) {
		arrived.push(decodeEntry(bytes).payload[0] as number);
		if (position + 1 >= end) break;
	}
	return { arrived, counts: link.counts, events };
}

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);

test("a link without faults, and one that only delays, carry everything once and in order", async (t) => {
	for (const faults of [{}, { delay: 0.5, maxDelayMs: 5 }]) {
		const { arrived, counts } = await publishOver(t, faults, 60);
		t.deepEqual(arrived, numbers(60));
		t.is(counts.delayed > 0, "delay" in faults);
		t.is(counts.connections, 1);
	}
});

test("repeats packets", async (t) => {
	const { arrived, counts } = await publishOver(t, { duplicate: 0.3 }, 60);
	t.true(counts.duplicated > 5);
	t.is(arrived.length, 60 + counts.duplicated);
	t.deepEqual([...new Set(arrived)], numbers(60));
});

test("lets packets overtake each other", async (t) => {
	const { arrived, counts } = await publishOver(t, { reorder: 0.3 }, 60);
	t.true(counts.reordered > 5);
	t.notDeepEqual(arrived, numbers(60));
	t.deepEqual(
		arrived.toSorted((a, b) => a - b),
		numbers(60),
	);
});

for (const [what, faults] of [
	["loses packets and the connection with them", { drop: 0.03, maxDelayMs: 20 }],
	["goes dead in one direction", { halfOpen: 0.02 }],
] as const) {
	test(`${what}: the client connects again, and everything arrives at least once`, async (t) => {
		const { arrived, counts, events } = await publishOver(t, faults, 60);
		t.true(counts.dropped + counts.halfOpened > 0);
		t.true(counts.connections > 1);
		t.true(events.includes("offline"));
		t.deepEqual(
			[...new Set(arrived)].sort((a, b) => a - b),
			numbers(60),
		);
	});
}

test("the same seed has the same faults", async (t) => {
	const first = await publishOver(t, { duplicate: 0.2 }, 40);
	const second = await publishOver(t, { duplicate: 0.2 }, 40);
	t.deepEqual(second.counts, first.counts);
});
