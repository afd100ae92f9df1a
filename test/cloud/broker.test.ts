import { once } from "node:events";
import { connect as connectSocket } from "node:net";
import { type Broker, type BrokerEvent, cloudLimits, createMemoryLog, decodeEntry, startBroker } from "@psgl/cloud";
import { ConnectionError } from "@psgl/sdk";
import test, { type ExecutionContext } from "ava";
import mqtt, { type IClientOptions, type MqttClient } from "mqtt";
import { ManualClock } from "../helpers/manual-clock.js";

/** A broker that collects its events, closed when the test ends. */
async function open(t: ExecutionContext, options: Parameters<typeof startBroker>[0] = {}) {
	const events: BrokerEvent[] = [];
	const waiting: (() => void)[] = [];
	const broker = await startBroker({
		port: 0,
		...options,
		onEvent: (event) => {
			events.push(event);
			for (const wake of waiting.splice(0)) wake();
		},
	});
	t.teardown(() => broker.close());
	const refusal = async (code?: string): Promise<Error> => {
		for (;;) {
			for (const event of events) {
				if (event.type === "refused" && (code === undefined || event.error.code === code)) return event.error;
			}
			await new Promise<void>((resolve) => waiting.push(resolve));
		}
	};
	return { broker, events, refusal };
}

async function client(t: ExecutionContext, broker: Broker, clientId: string, options: IClientOptions = {}) {
	const opened = await mqtt.connectAsync(broker.url, { clientId, clean: false, reconnectPeriod: 0, ...options });
	opened.on("error", () => undefined);
	t.teardown(() => opened.endAsync(true));
	return opened;
}

const closing = (of: MqttClient) => new Promise<void>((resolve) => of.once("close", () => resolve()));
const message = (of: MqttClient) =>
	new Promise<[string, string]>((resolve) =>
		of.once("message", (topic, payload) => resolve([topic, payload.toString()])),
	);

/** A connection that the broker must turn away: the return code in CONNACK, if one came. */
async function turnedAway(broker: Broker, options: IClientOptions): Promise<number | undefined> {
	const opened = mqtt.connect(broker.url, { clean: false, reconnectPeriod: 0, ...options });
	let code: number | undefined;
	opened.on("error", () => undefined);
	opened.on("packetreceive", (packet) => {
		if (packet.cmd === "connack") code = packet.returnCode;
	});
	await closing(opened);
	return code;
}

const publish = (from: MqttClient, topic: string, payload: string | Buffer, options = {}) =>
	from.publishAsync(topic, payload, { qos: 1, ...options });

async function logged(broker: Broker, count: number): Promise<[string, string, string][]> {
	const entries: [string, string, string][] = [];
	for await (const { bytes } of broker.log.read(0)) {
		const { device, channel, payload } = decodeEntry(bytes);
		entries.push([device, channel, Buffer.from(payload).toString()]);
		if (entries.length === count) break;
	}
	return entries;
}

test("what is acknowledged is in the log, in order", async (t) => {
	const { broker } = await open(t);
	const device = await client(t, broker, "ward-3");
	await publish(device, "psgl/1/ward-3/up", "one");
	t.is(broker.log.end, 1);
	await publish(device, "psgl/1/ward-3/status", "two", { retain: true });
	t.deepEqual(await logged(broker, 2), [
		["ward-3", "up", "one"],
		["ward-3", "status", "two"],
	]);
});

test("nothing is acknowledged before it is in the log", async (t) => {
	const log = createMemoryLog({ maxBytes: 100 });
	const { broker } = await open(t, { log });
	const device = await client(t, broker, "a");
	await publish(device, "psgl/1/a/up", Buffer.alloc(80));
	let acknowledged = false;
	const second = publish(device, "psgl/1/a/up", Buffer.alloc(60)).then(() => {
		acknowledged = true;
	});
	// A whole exchange with another client: long enough for a hasty acknowledgement.
	await client(t, broker, "b");
	t.false(acknowledged);
	log.release(1);
	await second;
	t.is(log.end, 2);
});

test("a device receives what is sent to it", async (t) => {
	const { broker } = await open(t);
	t.false(broker.isConnected("a"));
	t.false(await broker.send("a", Buffer.from("nobody there")));
	const device = await client(t, broker, "a");
	await device.subscribeAsync("psgl/1/a/down", { qos: 1 });
	const received = message(device);
	t.true(await broker.send("a", Buffer.from("hello")));
	t.deepEqual(await received, ["psgl/1/a/down", "hello"]);
});

test("publishing outside the own topics ends the connection and reaches nobody", async (t) => {
	for (const topic of ["psgl/1/b/up", "psgl/1/b/status", "psgl/1/a/down", "anything"]) {
		const { broker, refusal } = await open(t);
		const device = await client(t, broker, "a");
		const closed = closing(device);
		publish(device, topic, "x").catch(() => undefined);
		await closed;
		const error = await refusal();
		t.is((error as { code?: string }).code, "PSGL_BROKER_DENIED");
		t.true(error.message.includes(topic));
		t.is(broker.log.end, 0);
	}
});

test("other qualities of service than 1 are refused", async (t) => {
	const { broker, refusal } = await open(t);
	const device = await client(t, broker, "a");
	const closed = closing(device);
	device.publish("psgl/1/a/up", "x", { qos: 2 });
	await closed;
	t.is(((await refusal()) as { code?: string }).code, "PSGL_BROKER_QOS");
});

test("foreign subscriptions are refused one by one, and stay refused after a reconnect", async (t) => {
	const { broker, refusal } = await open(t);
	const device = await client(t, broker, "a");
	const topics = ["psgl/1/a/down", "psgl/1/b/down", "psgl/1/+/down", "#", "$SYS/#"];
	const granted = new Promise<unknown>((resolve) => {
		device.on("packetreceive", (packet) => packet.cmd === "suback" && resolve(packet.granted));
	});
	device.subscribe(topics, { qos: 1 });
	t.deepEqual(await granted, [1, 128, 128, 128, 128]);
	t.is(((await refusal()) as { code?: string }).code, "PSGL_BROKER_DENIED");
	await device.endAsync(true);
	const other = await client(t, broker, "b");
	await other.subscribeAsync("psgl/1/b/down", { qos: 1 });
	const received = message(other);
	await broker.send("b", Buffer.from("secret"));
	await received;
	const again = mqtt.connect(broker.url, { clientId: "a", clean: false, reconnectPeriod: 0 });
	t.teardown(() => again.endAsync(true));
	const seen: string[] = [];
	again.on("message", (topic) => seen.push(topic));
	await new Promise<void>((resolve) => again.once("connect", () => resolve()));
	const own = message(again);
	await broker.send("a", Buffer.from("own"));
	await own;
	// QoS 1 may deliver it twice.
	t.deepEqual([...new Set(seen)], ["psgl/1/a/down"]);
});

test("a will on a foreign topic and an id that is no device id are turned away", async (t) => {
	const { broker, refusal } = await open(t);
	const will = { topic: "psgl/1/b/status", payload: Buffer.from("gone"), qos: 1 as const, retain: true };
	t.is(await turnedAway(broker, { clientId: "a", will }), 5);
	t.is(((await refusal()) as { code?: string }).code, "PSGL_BROKER_DENIED");
	const error = await t.throwsAsync(
		mqtt.connectAsync(broker.url, { clientId: "a/b", clean: false, reconnectPeriod: 0 }),
	);
	t.is((error as { code?: number } | undefined)?.code, 2);
});

test("the last will of a client that vanishes is in the log", async (t) => {
	const { broker } = await open(t);
	const will = { topic: "psgl/1/a/status", payload: Buffer.from("gone"), qos: 1 as const, retain: true };
	const device = await client(t, broker, "a", { will });
	device.stream.destroy();
	t.deepEqual(await logged(broker, 1), [["a", "status", "gone"]]);
});

test("a packet over the limit ends the connection; others go on", async (t) => {
	const { broker, refusal } = await open(t, { maxMessageBytes: 10_000 });
	const other = await client(t, broker, "b");
	const device = await client(t, broker, "a");
	const closed = closing(device);
	publish(device, "psgl/1/a/up", Buffer.alloc(20_000)).catch(() => undefined);
	await closed;
	t.is(((await refusal()) as { code?: string }).code, "PSGL_BROKER_PACKET_TOO_LARGE");
	await publish(other, "psgl/1/b/up", Buffer.alloc(10_000));
	t.is(broker.log.end, 1);
});

test("what is not MQTT is hung up on", async (t) => {
	const { broker, refusal } = await open(t);
	const socket = connectSocket(broker.port, "127.0.0.1");
	socket.on("error", () => undefined);
	socket.write("GET / HTTP/1.1\r\n\r\n");
	await once(socket, "close");
	t.is(((await refusal()) as { code?: string }).code, "PSGL_BROKER_PACKET");
});

test("connections over the limit are not accepted", async (t) => {
	const { broker } = await open(t, { maxConnections: 1 });
	const device = await client(t, broker, "a");
	t.is(await turnedAway(broker, { clientId: "b" }), undefined);
	await publish(device, "psgl/1/a/up", "still here");
	t.is(broker.log.end, 1);
});

test("a second client of the same id takes the first one's place", async (t) => {
	const { broker } = await open(t);
	const first = await client(t, broker, "a");
	const closed = closing(first);
	const second = await client(t, broker, "a");
	await closed;
	await second.subscribeAsync("psgl/1/a/down", { qos: 1 });
	const received = message(second);
	t.true(await broker.send("a", Buffer.from("hello")));
	await received;
});

test("a port in use is named", async (t) => {
	const { broker } = await open(t);
	const error = await t.throwsAsync(startBroker({ port: broker.port }), { instanceOf: ConnectionError });
	t.is(error?.code, "PSGL_PORT_IN_USE");
	t.true(error?.message.includes(`port ${broker.port}`));
});

test("closing the broker closes its log", async (t) => {
	const broker = await startBroker({ port: 0 });
	await broker.close();
	await t.throwsAsync(broker.log.append(new Uint8Array(1)), { code: "PSGL_LOG_CLOSED" });
});

test("an address that opens connections too fast is turned away, and served again as time goes on", async (t) => {
	const clock = new ManualClock();
	const { broker, events, refusal } = await open(t, { clock });
	const sockets = await Promise.all(
		Array.from({ length: cloudLimits.connectBurst }, async () => {
			const socket = connectSocket(broker.port, broker.host);
			t.teardown(() => socket.destroy());
			await once(socket, "connect");
			return socket;
		}),
	);
	// On a busy machine some of them may have been silent for too long by now.
	const code = "PSGL_BROKER_CONNECT_RATE";
	t.false(events.some((event) => event.type === "refused" && event.error.code === code));
	const late = connectSocket(broker.port, broker.host);
	t.teardown(() => late.destroy());
	const ended = once(late, "close");
	t.like(await refusal(code), { code });
	await ended;
	for (const socket of sockets) socket.destroy();
	await clock.advance(1000);
	await client(t, broker, "ward-3");
	t.true(broker.isConnected("ward-3"));
});
