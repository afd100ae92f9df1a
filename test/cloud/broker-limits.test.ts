import { type BrokerEvent, cloudLimits, startBroker } from "@psgl/cloud";
import test, { type ExecutionContext } from "ava";
import { ManualClock } from "../helpers/manual-clock.js";
import { field, packet, publishPacket, RawMqtt, uint16 } from "../helpers/raw-mqtt.js";

async function open(t: ExecutionContext) {
	const clock = new ManualClock();
	const refused: string[] = [];
	const onEvent = (event: BrokerEvent) => event.type === "refused" && refused.push(event.error.code);
	const broker = await startBroker({ port: 0, clock, onEvent });
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
