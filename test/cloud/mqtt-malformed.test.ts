import { type BrokerEvent, startBroker } from "@psgl/cloud";
import { PsglError } from "@psgl/sdk";
import test from "ava";
import { connectPacket, field, packet, publishPacket, RawMqtt, subscribePacket, uint16 } from "../helpers/raw-mqtt.js";

const hello = connectPacket({ id: "a" });
const up = "psgl/1/a/up";
const bytes = (hex: string) => Buffer.from(hex, "hex");

/** CONNECT with flags and fields of one's own. */
const connectWith = (flags: number, ...fields: readonly Uint8Array[]) =>
	packet(0x10, field("MQTT"), Buffer.of(4, flags), uint16(0), field("a"), ...fields);

const publishTopic = (topic: Uint8Array) => packet(0x32, field(topic), uint16(1), Buffer.from("x"));

/** What a client must not send, by clause: each ends the connection [MQTT-4.8.0-1], with one typed error. */
const cases: Readonly<Record<string, readonly Uint8Array[]>> = {
	"a first packet that is not CONNECT [MQTT-3.1.0-1]": [publishPacket(up, "x", { qos: 1 })],
	"a second CONNECT [MQTT-3.1.0-2]": [hello, hello],
	"a protocol name that is not MQTT [MQTT-3.1.2-1]": [
		packet(0x10, field("hj"), Buffer.of(4, 2), uint16(0), field("a")),
	],
	"a reserved connect flag [MQTT-3.1.2-3]": [connectWith(3)],
	"will QoS without a will [MQTT-3.1.2-11]": [connectWith(2 | 8)],
	"a will without topic and message [MQTT-3.1.2-9]": [connectWith(2 | 4)],
	"will QoS 3 [MQTT-3.1.2-14]": [connectWith(2 | 4 | 24, field("psgl/1/a/status"), field("gone"))],
	"will retain without a will [MQTT-3.1.2-15]": [connectWith(2 | 32)],
	"a user flag without a user [MQTT-3.1.2-19]": [connectWith(2 | 128)],
	"a password without a user [MQTT-3.1.2-22]": [connectWith(2 | 64, field("secret"))],
	"CONNECT without a client id [MQTT-3.1.3-3]": [packet(0x10, field("MQTT"), Buffer.of(4, 2), uint16(0))],
	"a client id that is not UTF-8 [MQTT-3.1.3-4]": [
		packet(0x10, field("MQTT"), Buffer.of(4, 2), uint16(0), field(bytes("c080"))),
	],
	"bytes after the end of CONNECT": [connectWith(2, bytes("00"))],
	"reserved flags in the fixed header [MQTT-2.2.2-2]": [hello, packet(0xc1)],
	"SUBSCRIBE with other flags [MQTT-3.8.1-1]": [hello, packet(0x80, uint16(1), field(up), Buffer.of(1))],
	"UNSUBSCRIBE with other flags [MQTT-3.10.1-1]": [hello, packet(0xa0, uint16(1), field(up))],
	"PUBREL with other flags [MQTT-3.6.1-1]": [hello, packet(0x60, uint16(1))],
	"DISCONNECT with other flags [MQTT-3.14.1-1]": [hello, packet(0xe1)],
	"packet type 0": [hello, packet(0x00)],
	"packet type 15": [hello, packet(0xf0)],
	"CONNACK of a client": [hello, packet(0x20, bytes("0000"))],
	"SUBACK of a client": [hello, packet(0x90, uint16(1), bytes("00"))],
	"PINGRESP of a client": [hello, packet(0xd0)],
	"PINGREQ with a body": [hello, packet(0xc0, bytes("00"))],
	"a remaining length of five bytes (section 2.2.3)": [hello, bytes("30ffffffff01")],
	"QoS 3 [MQTT-3.3.1-4]": [hello, packet(0x36, field(up), uint16(1))],
	"DUP at QoS 0 [MQTT-3.3.1-2]": [hello, publishPacket(up, "x", { dup: true })],
	"packet identifier 0 in PUBLISH [MQTT-2.3.1-1]": [hello, publishPacket(up, "x", { qos: 1, packetId: 0 })],
	"packet identifier 0 in SUBSCRIBE [MQTT-2.3.1-1]": [hello, subscribePacket([["psgl/1/a/down", 1]], 0)],
	"PUBACK that is cut off": [hello, packet(0x40, bytes("00"))],
	"an empty topic [MQTT-4.7.3-1]": [hello, publishTopic(bytes(""))],
	"a wildcard in PUBLISH [MQTT-3.3.2-2]": [hello, publishTopic(Buffer.from("psgl/1/+/up"))],
	"U+0000 in a topic [MQTT-1.5.3-2]": [hello, publishTopic(Buffer.from("psgl/1/a\0/up"))],
	"a surrogate in a topic [MQTT-1.5.3-1]": [hello, publishTopic(bytes("eda080"))],
	"an overlong form in a topic [MQTT-1.5.3-1]": [hello, publishTopic(bytes("c0af"))],
	"a topic longer than its packet": [hello, packet(0x32, bytes("00ff61"))],
	"SUBSCRIBE without a filter [MQTT-3.8.3-3]": [hello, packet(0x82, uint16(1))],
	"QoS 3 in SUBSCRIBE [MQTT-3-8.3-4]": [hello, subscribePacket([["psgl/1/a/down", 3]])],
	"reserved bits in SUBSCRIBE [MQTT-3-8.3-4]": [hello, subscribePacket([["psgl/1/a/down", 0x81]])],
	"a filter with # inside [MQTT-4.7.1-2]": [hello, subscribePacket([["psgl/#/down", 1]])],
	"a filter with + inside a level [MQTT-4.7.1-3]": [hello, subscribePacket([["psgl/1/a+/down", 1]])],
	"an empty filter [MQTT-4.7.3-1]": [hello, subscribePacket([["", 1]])],
	"a filter that is not UTF-8 [MQTT-3.8.3-1]": [hello, packet(0x82, uint16(1), field(bytes("ff")), Buffer.of(1))],
	"UNSUBSCRIBE without a filter [MQTT-3.10.3-2]": [hello, packet(0xa2, uint16(1))],
};

for (const [title, packets] of Object.entries(cases)) {
	test(`${title} ends the connection, with one typed error; others are served`, async (t) => {
		const refused: Extract<BrokerEvent, { type: "refused" }>[] = [];
		const broker = await startBroker({ port: 0, onEvent: (event) => event.type === "refused" && refused.push(event) });
		t.teardown(() => broker.close());
		const other = new RawMqtt(broker.port, t);
		await other.open({ id: "b" });
		const client = new RawMqtt(broker.port, t);
		client.send(...packets);
		while ((await client.next()) !== undefined);
		await other.publish("psgl/1/b/up", "served", { qos: 1 });
		t.is(broker.log.end, 1);
		t.is(refused.length, 1);
		t.true(refused[0]?.error instanceof PsglError);
		t.is(refused[0]?.error.code, "PSGL_BROKER_PACKET");
	});
}

test("another protocol level is answered with return code 1 [MQTT-3.1.2-2]", async (t) => {
	const refused: string[] = [];
	const onEvent = (event: BrokerEvent) => event.type === "refused" && refused.push(event.error.code);
	const broker = await startBroker({ port: 0, onEvent });
	t.teardown(() => broker.close());
	for (const level of [0, 3, 5, 132]) {
		const client = new RawMqtt(broker.port, t);
		client.send(packet(0x10, field("MQTT"), Buffer.of(level, 2), uint16(0), field("a")));
		t.is((await client.next())?.toString("hex"), "20020001");
		t.is(await client.next(), undefined);
	}
	t.deepEqual(refused, Array(4).fill("PSGL_BROKER_VERSION"));
});

test("a client id of no device is answered with return code 2, a will elsewhere with 5 [MQTT-3.2.2-5]", async (t) => {
	const broker = await startBroker({ port: 0 });
	t.teardown(() => broker.close());
	for (const id of ["", "a/b", "a".repeat(65)]) {
		const client = new RawMqtt(broker.port, t);
		t.is(await client.open({ id }), "20020002");
		t.is(await client.next(), undefined);
	}
	const client = new RawMqtt(broker.port, t);
	t.is(await client.open({ id: "a", will: { topic: "psgl/1/b/status", message: "x" } }), "20020005");
	t.is(await client.next(), undefined);
});
