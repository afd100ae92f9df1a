import { type BrokerEvent, type BrokerOptions, cloudLimits, startBroker, TokenBuckets } from "@psgl/cloud";
import test, { type ExecutionContext } from "ava";
import { ManualClock } from "../helpers/manual-clock.js";
import { openServer } from "../helpers/open-server.js";
import { field, packet, pingPacket, publishPacket, RawMqtt, uint16 } from "../helpers/raw-mqtt.js";

async function open(t: ExecutionContext, options: BrokerOptions = {}) {
	const clock = new ManualClock();
	const refused: string[] = [];
	const onEvent = (event: BrokerEvent) => event.type === "refused" && refused.push(event.error.code);
	const broker = await startBroker({ port: 0, clock, onEvent, ...options });
	t.teardown(() => broker.close());
	const other = new RawMqtt(broker.port, t);
	await other.open({ id: "other" });
	/** Another device publishes and is acknowledged. */
	const served = async () => {
		await other.publish("psgl/1/other/up", "served", { qos: 1, packetId: 1 });
		t.true(broker.isConnected("other"));
	};
	return { broker, clock, refused, served };
}

test("a device that publishes faster than it may is disconnected, however often it connects anew", async (t) => {
	const { broker, clock, refused, served } = await open(t);
	const message = publishPacket("psgl/1/flooder/up", "x", { qos: 1, packetId: 1 });
	const half = Math.floor(cloudLimits.messageBurst / 2);
	const send = async (count: number) => {
		const flooder = new RawMqtt(broker.port, t);
		await flooder.open({ id: "flooder" });
		flooder.send(...Array.from({ length: count }, () => message));
		let acknowledged = 0;
		while (acknowledged < count && (await flooder.next()) !== undefined) acknowledged++;
		flooder.socket.destroy();
		return acknowledged;
	};
	t.is(await send(half), half);
	t.is(await send(half), half);
	t.true((await send(half)) < half);
	t.deepEqual(refused, ["PSGL_BROKER_FLOOD"]);
	await served();
	await clock.advance(1000);
	t.is(await send(cloudLimits.messagesPerSecond), cloudLimits.messagesPerSecond, "at the rate they pass");
});

test("a device that takes nothing is disconnected; the others are served", async (t) => {
	const { broker, clock, refused, served } = await open(t);
	const frozen = new RawMqtt(broker.port, t);
	await frozen.open({ id: "frozen" });
	await frozen.subscribe(["psgl/1/frozen/down", 1]);
	frozen.socket.pause();
	const megabyte = new Uint8Array(1_000_000);
	const whole = Math.floor(cloudLimits.maxUnacknowledgedBytes / megabyte.length);
	for (let i = 0; i < whole; i++) t.true(await broker.send("frozen", megabyte));
	const tooMuch = broker.send("frozen", megabyte);
	await served();
	await clock.advance(cloudLimits.acknowledgeTimeoutMs);
	t.false(await tooMuch);
	t.deepEqual(refused, ["PSGL_BROKER_SLOW_CLIENT"]);
	await served();
	t.false(broker.isConnected("frozen"));
});

test("packets other than PUBLISH and topics have their own limits", async (t) => {
	const { broker, refused, served } = await open(t);
	const long = "a".repeat(cloudLimits.maxControlBytes);
	for (const bytes of [packet(0x82, uint16(1), field(long), Buffer.of(1)), publishPacket(long, "x", { qos: 1 })]) {
		const client = new RawMqtt(broker.port, t);
		await client.open({ id: "a" });
		client.send(bytes);
		t.is(await client.next(), undefined);
	}
	t.deepEqual(refused, ["PSGL_BROKER_PACKET_TOO_LARGE", "PSGL_BROKER_PACKET_TOO_LARGE"]);
	await served();
});

test("topics have a bounded number of levels", async (t) => {
	const { broker, refused, served } = await open(t);
	const client = new RawMqtt(broker.port, t);
	await client.open({ id: "a" });
	client.send(publishPacket("/".repeat(cloudLimits.maxTopicLevels), "x", { qos: 1 }));
	t.is(await client.next(), undefined);
	t.is(refused.length, 1);
	await served();
});

test("maxSessions: one client id more is turned away; who has a session comes back", async (t) => {
	const { broker, refused, served } = await open(t, { maxSessions: 3 });
	const as = async (id: string, clean: boolean) => {
		const client = new RawMqtt(broker.port, t);
		const connack = await client.open({ id, clean });
		return { client, connack };
	};
	const first = await as("a", false);
	t.is(first.connack, "20020000");
	t.is((await as("b", false)).connack, "20020000");
	t.is((await as("c", false)).connack, "20020003", "server unavailable");
	while (refused.length === 0) await new Promise((resolve) => setImmediate(resolve));
	t.deepEqual(refused, ["PSGL_BROKER_SESSIONS"]);
	first.client.socket.destroy();
	while (broker.isConnected("a")) await new Promise((resolve) => setImmediate(resolve));
	t.is((await as("c", false)).connack, "20020003", "a's session stays while it is away");
	t.is((await as("a", true)).connack, "20020000");
	await served();
});

test("maxStatusBytes: a longer status ends the connection", async (t) => {
	const { broker, refused, served } = await open(t);
	for (const [id, length, code] of [
		["a", cloudLimits.maxStatusBytes, "40020001"],
		["b", cloudLimits.maxStatusBytes + 1, undefined],
	] as const) {
		const client = new RawMqtt(broker.port, t);
		await client.open({ id });
		client.send(publishPacket(`psgl/1/${id}/status`, "x".repeat(length), { qos: 1, retain: true }));
		t.is((await client.next())?.toString("hex"), code);
	}
	t.deepEqual(refused, ["PSGL_BROKER_STATUS_TOO_LARGE"]);
	await served();
});

test("watchedAddresses: with so many addresses under watch a further one waits until others are forgotten", (t) => {
	const { connectsPerSecond: perSecond, connectBurst: burst, watchedAddresses } = cloudLimits;
	const buckets = new TokenBuckets({ perSecond, burst }, watchedAddresses);
	for (let i = 0; i < watchedAddresses; i++) buckets.take(`10.0.${i >> 8}.${i & 255}`, 0);
	t.false(buckets.take("192.168.0.1", 0));
	t.true(buckets.take("10.0.0.0", 0), "who is watched goes on");
	t.true(buckets.take("192.168.0.1", 1000));
	t.true(buckets.size <= watchedAddresses);
});

test("drainTimeoutMs: a client whose socket stays full is disconnected", async (t) => {
	const { server, port, refusals, firstRefusal } = await openServer(t, {}, { drainTimeoutMs: 50 });
	const frozen = new RawMqtt(port, t);
	await frozen.open({ id: "frozen" });
	await frozen.subscribe(["x", 0]);
	frozen.socket.pause();
	const message = new Uint8Array(1_000_000);
	let done = false;
	void firstRefusal.then(() => {
		done = true;
	});
	// More than the machine's own buffers hold; how much that is it decides itself.
	while (!done) await Promise.race([server.publish("x", message), firstRefusal]);
	t.deepEqual(
		refusals.map(({ code }) => code),
		["PSGL_BROKER_SLOW_CLIENT"],
	);
});

test("connectTimeoutMs: a connection that does not say who it is ends", async (t) => {
	const { port } = await openServer(t, {}, { connectTimeoutMs: 50 });
	const silent = new RawMqtt(port, t);
	t.is(await silent.next(), undefined);
	const other = new RawMqtt(port, t);
	t.is(await other.open({ id: "other" }), "20020000");
});

test("connectTimeoutMs: a connection to the port for browsers that does not ask for a WebSocket in time ends", async (t) => {
	const { server, refusals } = await openServer(t, {}, { connectTimeoutMs: 50, webSocketOrigins: [] });
	const port = server.webListener?.port ?? 0;
	for (const start of ["", "GET /mqtt HTTP/1.1\r\nHost: a\r\n"]) {
		const slow = new RawMqtt(port, t);
		slow.send(Buffer.from(start));
		t.is(await slow.next(), undefined);
	}
	while (refusals.length < 2) await new Promise((resolve) => setImmediate(resolve));
	t.deepEqual(
		refusals.map(({ code }) => code),
		["PSGL_BROKER_WEB_SOCKET", "PSGL_BROKER_WEB_SOCKET"],
	);
});

test("packetBurst, packetsPerSecond: a connection that sends more packets ends, and at the rate they pass", async (t) => {
	const { broker, clock, refused, served } = await open(t);
	const busy = new RawMqtt(broker.port, t);
	await busy.open({ id: "busy" });
	const answered = async (count: number) => {
		busy.send(...Array.from({ length: count }, () => pingPacket));
		let answers = 0;
		while (answers < count && (await busy.next()) !== undefined) answers++;
		return answers;
	};
	// CONNECT was one.
	t.is(await answered(cloudLimits.packetBurst - 1), cloudLimits.packetBurst - 1);
	await clock.advance(1000);
	t.is(await answered(cloudLimits.packetsPerSecond), cloudLimits.packetsPerSecond);
	t.is(await answered(1), 0);
	t.deepEqual(refused, ["PSGL_BROKER_FLOOD"]);
	await served();
});
