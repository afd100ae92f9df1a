import { ByteGuard } from "@psgl/cloud";
import { type Clock, LimitError, ProtocolError } from "@psgl/sdk";
import test from "ava";
import fc from "fast-check";
import mqttPacket from "mqtt-packet";
import { ManualClock } from "../helpers/manual-clock.js";

const connect = mqttPacket.generate({
	cmd: "connect",
	clientId: "a",
	protocolId: "MQTT",
	protocolVersion: 4,
	clean: false,
});

function publish(bytes: number): Buffer {
	return mqttPacket.generate({
		cmd: "publish",
		topic: "t",
		payload: Buffer.alloc(bytes, 0xff),
		qos: 1,
		messageId: 1,
		dup: false,
		retain: false,
	});
}

const packetRate = { perSecond: 10, burst: 100 };
const guard = (maxPacketBytes: number, clock: Clock = new ManualClock()) =>
	new ByteGuard({ maxPacketBytes, maxControlBytes: 64, packetRate, clock });

test("packets up to the limit pass however the stream is cut, larger ones never do", (t) => {
	const sizes = fc.array(fc.integer({ min: 0, max: 20_000 }), { minLength: 1, maxLength: 6 });
	fc.assert(
		fc.property(
			sizes,
			fc.integer({ min: 64, max: 20_020 }),
			fc.integer({ min: 1, max: 5000 }),
			(lengths, limit, cut) => {
				const packets = lengths.map(publish);
				const stream = Buffer.concat([connect, ...packets]);
				const watched = guard(limit);
				const inspect = () => {
					for (let at = 0; at < stream.length; at += cut) watched.inspect(stream.subarray(at, at + cut));
				};
				if (packets.every((p) => p.length <= limit)) {
					inspect();
					return true;
				}
				try {
					inspect();
					return false;
				} catch (error) {
					return error instanceof LimitError && error.code === "PSGL_BROKER_PACKET_TOO_LARGE";
				}
			},
		),
	);
	t.pass();
});

test("a packet is refused by its header, before its body comes", (t) => {
	const watched = guard(1000);
	watched.inspect(connect);
	const error = t.throws(() => watched.inspect(publish(1000).subarray(0, 3)), { instanceOf: LimitError });
	t.is(error?.code, "PSGL_BROKER_PACKET_TOO_LARGE");
	t.is(error?.expected, "at most 1000 bytes");
});

test("packets other than PUBLISH have their own, smaller limit", (t) => {
	const large = mqttPacket.generate({
		cmd: "connect",
		clientId: "a".repeat(100),
		protocolId: "MQTT",
		protocolVersion: 4,
		clean: false,
	});
	t.throws(() => guard(1000).inspect(large), { instanceOf: LimitError });
});

test("what is not MQTT 3.1.1 is refused", (t) => {
	for (const bytes of [
		Buffer.from("GET / HTTP/1.1\r\n"),
		publish(1),
		Buffer.concat([connect, connect]),
		Buffer.concat([connect, Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff, 0x01])]),
	]) {
		const error = t.throws(() => guard(1000).inspect(bytes), { instanceOf: ProtocolError });
		t.is(error?.code, "PSGL_BROKER_PACKET");
	}
});

test("packets that come too fast end the connection, at the rate they pass", async (t) => {
	const clock = new ManualClock();
	const watched = guard(64, clock);
	watched.inspect(connect);
	const ping = mqttPacket.generate({ cmd: "pingreq" });
	for (let i = 1; i < packetRate.burst; i++) watched.inspect(ping);
	for (let second = 0; second < 5; second++) {
		await clock.advance(1000);
		for (let i = 0; i < packetRate.perSecond; i++) watched.inspect(ping);
	}
	t.throws(() => watched.inspect(ping), { instanceOf: LimitError, code: "PSGL_BROKER_FLOOD" });
});
