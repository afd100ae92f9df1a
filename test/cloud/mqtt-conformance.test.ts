import test from "ava";
import { openServer } from "../helpers/open-server.js";
import { disconnectPacket, packet, pingPacket, publishPacket, RawMqtt, uint16 } from "../helpers/raw-mqtt.js";

// The cases of the Eclipse Paho interoperability suite for MQTT 3.1.1, in bytes, with the clauses they are about. Its
// client_test.py has ten: basic, retained messages, offline queueing, will, overlapping subscriptions, keep alive, redelivery
// on reconnect, zero-length client id, subscribe failure and dollar topics; each title begins with its case. Of the basic one, a
// second CONNECT and a wrong protocol name are in mqtt-malformed.test.ts, with every other malformed packet.

const accepted = "20020000";
const acceptedWithSession = "20020100";
const three = ["qos 0", "qos 1", "qos 2"];

test("basic: messages of every quality of service come, in their order [MQTT-4.3.1-1] [MQTT-4.3.2-1] [MQTT-4.3.3-1] [MQTT-4.6.0-5]", async (t) => {
	const { port } = await openServer(t);
	const client = new RawMqtt(port, t);
	t.is(await client.open({ id: "a" }), accepted, "[MQTT-3.2.0-1] [MQTT-3.1.4-4]");
	t.deepEqual(await client.subscribe(["TopicA", 2]), [2], "[MQTT-3.8.4-1] [MQTT-3.8.4-6]");
	const sender = new RawMqtt(port, t);
	await sender.open({ id: "b" });
	for (const [qos, message] of three.entries()) await sender.publish("TopicA", message, { qos, packetId: qos + 1 });
	const came = await client.received(3);
	t.deepEqual(
		came.map(({ topic, message, qos, retain, dup }) => [topic, message, qos, retain, dup]),
		three.map((message, qos) => ["TopicA", message, qos, false, false]),
	);
	client.send(pingPacket);
	t.is((await client.next())?.toString("hex"), "d000", "[MQTT-3.12.4-1]");
	client.send(disconnectPacket);
	t.is(await client.next(), undefined, "[MQTT-3.14.4-1]");
});

test("basic: a second connection of the same id ends the first one [MQTT-3.1.4-2]", async (t) => {
	const { port } = await openServer(t);
	const first = new RawMqtt(port, t);
	await first.open({ id: "a" });
	const second = new RawMqtt(port, t);
	t.is(await second.open({ id: "a" }), accepted);
	t.is(await first.next(), undefined);
	second.send(pingPacket);
	t.is((await second.next())?.toString("hex"), "d000");
});

test("retained messages: the last one of each topic comes to new subscribers, an empty one removes it [MQTT-3.3.1-5] to [MQTT-3.3.1-11]", async (t) => {
	const { port } = await openServer(t);
	const sender = new RawMqtt(port, t);
	await sender.open({ id: "a" });
	for (const [qos, message] of three.entries()) {
		await sender.publish(`fromb/${qos}`, "older", { qos, packetId: 1, retain: true });
		await sender.publish(`fromb/${qos}`, message, { qos, packetId: 2, retain: true });
	}
	await sender.publish("fromb/plain", "not kept", { qos: 1 });
	const reader = new RawMqtt(port, t);
	await reader.open({ id: "b" });
	await reader.subscribe(["fromb/+", 2]);
	const came = await reader.received(3);
	t.deepEqual(came.map(({ topic, message, retain }) => [topic, message, retain]).sort(), [
		["fromb/0", "qos 0", true],
		["fromb/1", "qos 1", true],
		["fromb/2", "qos 2", true],
	]);
	await sender.publish("fromb/1", "now", { qos: 1, retain: true });
	t.like((await reader.received(1))[0], { message: "now", retain: false }, "[MQTT-3.3.1-9]");
	for (const qos of [0, 1, 2]) await sender.publish(`fromb/${qos}`, "", { qos: 1, retain: true });
	const later = new RawMqtt(port, t);
	await later.open({ id: "c" });
	await later.subscribe(["fromb/+", 2]);
	await sender.publish("fromb/end", "end", { qos: 1 });
	t.like((await later.received(1))[0], { message: "end" }, "nothing was kept [MQTT-3.3.1-10] [MQTT-3.3.1-11]");
});

test("offline queueing: messages for a kept session wait for it [MQTT-3.1.2-4] [MQTT-3.1.2-5]", async (t) => {
	const { port } = await openServer(t);
	const away = new RawMqtt(port, t);
	t.is(await away.open({ id: "a", clean: false }), accepted, "[MQTT-3.2.2-3]");
	await away.subscribe(["+/+", 2]);
	away.send(disconnectPacket);
	t.is(await away.next(), undefined);
	const sender = new RawMqtt(port, t);
	await sender.open({ id: "b" });
	for (const [qos, message] of three.entries()) await sender.publish(`fromb/${qos}`, message, { qos, packetId: 1 });
	const back = new RawMqtt(port, t);
	t.is(await back.open({ id: "a", clean: false }), acceptedWithSession, "[MQTT-3.2.2-2]");
	t.deepEqual(
		(await back.received(2)).map(({ message }) => message),
		["qos 1", "qos 2"],
		"QoS 0 may be dropped (section 4.1)",
	);
	back.send(disconnectPacket);
	await back.next();
	const fresh = new RawMqtt(port, t);
	t.is(
		await fresh.open({ id: "a", clean: true }),
		accepted,
		"a clean session begins anew [MQTT-3.1.2-6] [MQTT-3.2.2-1]",
	);
	fresh.send(disconnectPacket);
	await fresh.next();
	const again = new RawMqtt(port, t);
	t.is(await again.open({ id: "a", clean: false }), accepted, "[MQTT-3.1.2-6]");
});

test("will: comes when a connection breaks, not after DISCONNECT [MQTT-3.1.2-8] [MQTT-3.1.2-10] [MQTT-3.14.4-3]", async (t) => {
	const { port } = await openServer(t);
	const reader = new RawMqtt(port, t);
	await reader.open({ id: "reader" });
	await reader.subscribe(["wills/#", 2]);
	const polite = new RawMqtt(port, t);
	await polite.open({ id: "polite", will: { topic: "wills/polite", message: "no", qos: 1 } });
	polite.send(disconnectPacket);
	await polite.next();
	const broken = new RawMqtt(port, t);
	await broken.open({ id: "broken", will: { topic: "wills/broken", message: "gone", qos: 1, retain: true } });
	broken.socket.destroy();
	t.like((await reader.received(1))[0], { topic: "wills/broken", message: "gone", qos: 1, retain: false });
	const later = new RawMqtt(port, t);
	await later.open({ id: "later" });
	await later.subscribe(["wills/#", 2]);
	t.like((await later.received(1))[0], { message: "gone", retain: true }, "[MQTT-3.1.2-17]");
});

test("overlapping subscriptions: a message comes with the highest quality of service [MQTT-3.3.5-1]", async (t) => {
	const { port } = await openServer(t);
	const client = new RawMqtt(port, t);
	await client.open({ id: "a" });
	t.deepEqual(await client.subscribe(["TopicA/#", 2], ["TopicA/+", 1]), [2, 1], "[MQTT-3.8.4-5]");
	const sender = new RawMqtt(port, t);
	await sender.open({ id: "b" });
	await sender.publish("TopicA/C", "overlapping", { qos: 2, packetId: 1 });
	await sender.publish("TopicA/C", "end", { qos: 2, packetId: 2 });
	const messages = (await client.received(2)).map(({ message, qos }) => [message, qos]);
	t.deepEqual(messages, [
		["overlapping", 2],
		["end", 2],
	]);
});

test("keep alive: a connection that is silent for one and a half times as long as it said is ended [MQTT-3.1.2-24]", async (t) => {
	const { port, refusals } = await openServer(t);
	const reader = new RawMqtt(port, t);
	await reader.open({ id: "reader" });
	await reader.subscribe(["wills/#", 1]);
	const silent = new RawMqtt(port, t);
	await silent.open({ id: "silent", keepAlive: 1, will: { topic: "wills/silent", message: "silent" } });
	t.is(await silent.next(), undefined);
	t.like((await reader.received(1))[0], { message: "silent" });
	t.deepEqual(
		refusals.map(({ code }) => code),
		["PSGL_BROKER_LINK"],
	);
});

test("redelivery: what was not acknowledged comes again, marked, on the next connection [MQTT-4.4.0-1] [MQTT-3.3.1-1]", async (t) => {
	const { port } = await openServer(t);
	const first = new RawMqtt(port, t);
	await first.open({ id: "a", clean: false });
	await first.subscribe(["TopicA", 2]);
	const sender = new RawMqtt(port, t);
	await sender.open({ id: "b" });
	await sender.publish("TopicA", "one", { qos: 1, packetId: 1 });
	await sender.publish("TopicA", "two", { qos: 2, packetId: 2 });
	const lost = await first.received(2, { acknowledge: false });
	first.socket.destroy();
	const second = new RawMqtt(port, t);
	t.is(await second.open({ id: "a", clean: false }), acceptedWithSession);
	const again = await second.received(2);
	t.deepEqual(
		again.map(({ message, packetId }) => [message, packetId]),
		lost.map(({ message, packetId }) => [message, packetId]),
	);
	t.true(again.every(({ dup }) => dup));
});

test("redelivery: that a message was sent twice is not passed on [MQTT-3.3.1-3]", async (t) => {
	const { port } = await openServer(t);
	const reader = new RawMqtt(port, t);
	await reader.open({ id: "reader" });
	await reader.subscribe(["TopicA", 1]);
	const sender = new RawMqtt(port, t);
	await sender.open({ id: "a" });
	await sender.publish("TopicA", "again", { qos: 1, dup: true });
	t.like((await reader.received(1))[0], { message: "again", dup: false });
});

test("redelivery: a message of QoS 2 that is sent twice comes once [MQTT-4.3.3-2]", async (t) => {
	const { port } = await openServer(t);
	const reader = new RawMqtt(port, t);
	await reader.open({ id: "reader" });
	await reader.subscribe(["TopicA", 2]);
	const sender = new RawMqtt(port, t);
	await sender.open({ id: "a", clean: false });
	sender.send(publishPacket("TopicA", "once", { qos: 2, packetId: 7 }));
	t.is((await sender.next())?.toString("hex"), "50020007");
	sender.send(publishPacket("TopicA", "once", { qos: 2, packetId: 7, dup: true }));
	t.is((await sender.next())?.toString("hex"), "50020007");
	sender.send(packet(0x62, uint16(7)));
	t.is((await sender.next())?.toString("hex"), "70020007");
	await sender.publish("TopicA", "end", { qos: 2, packetId: 8 });
	const messages = (await reader.received(2)).map(({ message }) => message);
	t.deepEqual(messages, ["once", "end"]);
});

test("subscribe failure: one refused filter has return code 128, the others stand [MQTT-3.9.3-2], and stays refused", async (t) => {
	const { port, refusals } = await openServer(t);
	const client = new RawMqtt(port, t);
	await client.open({ id: "a", clean: false });
	t.deepEqual(await client.subscribe(["test/nosubscribe", 2], ["test/other", 1]), [128, 1]);
	t.is(refusals.length, 1);
	client.send(disconnectPacket);
	await client.next();
	const sender = new RawMqtt(port, t);
	await sender.open({ id: "b" });
	await sender.publish("test/nosubscribe", "secret", { qos: 1, packetId: 1 });
	await sender.publish("test/other", "end", { qos: 1, packetId: 2 });
	const back = new RawMqtt(port, t);
	t.is(await back.open({ id: "a", clean: false }), acceptedWithSession);
	t.like((await back.received(1))[0], { message: "end" });
});

test("zero-length client id: taken with a clean session, else return code 2 [MQTT-3.1.3-6] [MQTT-3.1.3-7] [MQTT-3.1.3-8]", async (t) => {
	const { port } = await openServer(t);
	t.is(await new RawMqtt(port, t).open({ id: "", clean: true }), accepted);
	const refused = new RawMqtt(port, t);
	t.is(await refused.open({ id: "", clean: false }), "20020002");
	t.is(await refused.next(), undefined);
});

test("dollar topics: no wildcard at the front matches them [MQTT-4.7.2-1]", async (t) => {
	const { port } = await openServer(t);
	const client = new RawMqtt(port, t);
	await client.open({ id: "a" });
	await client.subscribe(["#", 1], ["+/dollar", 1]);
	const sender = new RawMqtt(port, t);
	await sender.open({ id: "b" });
	await sender.publish("$other/dollar", "no", { qos: 1 });
	await sender.publish("other", "yes", { qos: 1 });
	t.like((await client.received(1))[0], { topic: "other", message: "yes" });
});

test("unsubscribe: nothing comes any more, and it is acknowledged, also for unknown topics [MQTT-3.10.4-1] to [MQTT-3.10.4-6]", async (t) => {
	const { port } = await openServer(t);
	const client = new RawMqtt(port, t);
	await client.open({ id: "a" });
	await client.subscribe(["TopicA", 1], ["TopicB", 1], ["TopicC", 1]);
	const filter = (text: string) => Buffer.concat([uint16(text.length), Buffer.from(text)]);
	client.send(packet(0xa2, uint16(5), filter("TopicA"), filter("unknown")));
	t.is((await client.next())?.toString("hex"), "b0020005");
	const sender = new RawMqtt(port, t);
	await sender.open({ id: "b" });
	for (const topic of ["TopicA", "TopicB", "TopicC"]) await sender.publish(topic, topic, { qos: 1 });
	const messages = (await client.received(2)).map(({ message }) => message);
	t.deepEqual(messages, ["TopicB", "TopicC"]);
});
