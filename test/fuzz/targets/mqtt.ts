import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { createMemoryLog, startBroker } from "@psgl/cloud";
import { PsglError, type Random } from "@psgl/sdk";
import mqttPacket, { type Packet } from "mqtt-packet";
import { ManualClock } from "../../helpers/manual-clock.js";
import type { FuzzTarget } from "../fuzz-target.js";
import { type Mutation, mutations, pick, replaced } from "../mutations.js";

const id = "ward-3";
const up = `psgl/1/${id}/up`;
const down = `psgl/1/${id}/down`;
const status = `psgl/1/${id}/status`;

const publish = (topic: string, payload: string, more: object = {}) =>
	({ cmd: "publish", topic, payload, qos: 1, messageId: 7, dup: false, retain: false, ...more }) as Packet;

const connectPacket = (more: object = {}) =>
	({
		cmd: "connect",
		protocolId: "MQTT",
		protocolVersion: 4,
		clientId: id,
		clean: false,
		keepalive: 60,
		...more,
	}) as Packet;

const subscribe = (...topics: string[]) =>
	({ cmd: "subscribe", messageId: 8, subscriptions: topics.map((topic) => ({ topic, qos: 1 })) }) as Packet;

/** What well-behaved and ill-behaved clients say. */
const sessions: readonly (readonly Packet[])[] = [
	[connectPacket(), subscribe(down), publish(up, "data"), { cmd: "pingreq" }, { cmd: "disconnect" }],
	[
		connectPacket({ clean: true, will: { topic: status, payload: Buffer.from("gone"), qos: 1, retain: true } }),
		publish(status, "here", { retain: true }),
		{ cmd: "unsubscribe", messageId: 9, unsubscriptions: [down] },
	],
	[connectPacket({ username: "u", password: Buffer.from("p") }), publish(up, "again", { dup: true }), publish(up, "")],
	[connectPacket(), subscribe(down, "#", "$SYS/+"), publish("psgl/1/other/up", "x")],
	[connectPacket({ protocolId: "MQIsdp", protocolVersion: 3 }), publish(up, "old")],
	[connectPacket({ protocolVersion: 5 }), publish(up, "new")],
	[
		connectPacket(),
		publish(up, "two", { qos: 2 }),
		{ cmd: "pubrel", messageId: 7 },
		{ cmd: "puback", messageId: 1 },
		{ cmd: "pubrec", messageId: 1 },
		{ cmd: "pubcomp", messageId: 1 },
		{ cmd: "suback", messageId: 8, granted: [1] },
		{ cmd: "pingresp" },
	],
];

/** A packet with its remaining length put right (MQTT 3.1.1 section 2.2.3). */
function sealed(firstByte: number, body: Uint8Array): Uint8Array {
	const length: number[] = [];
	let rest = body.length;
	for (; rest > 127; rest >>= 7) length.push((rest & 127) | 128);
	return Buffer.concat([Buffer.from([firstByte, ...length, rest]), body]);
}

interface Part {
	readonly firstByte: number;
	readonly body: Uint8Array;
}

/** Packets as far as their lengths lead; what is left over is the last one's body. */
function cut(bytes: Uint8Array): Part[] {
	const parts: Part[] = [];
	for (let at = 0; at < bytes.length; ) {
		let length = 0;
		let start = at + 1;
		for (let factor = 1; start < bytes.length; factor *= 128) {
			const byte = bytes[start++] as number;
			length += (byte & 127) * factor;
			if (byte < 128) break;
		}
		parts.push({ firstByte: bytes[at] as number, body: bytes.subarray(start, start + length) });
		at = start + length;
	}
	return parts;
}

const joined = (parts: readonly Part[]) => Buffer.concat(parts.map(({ firstByte, body }) => sealed(firstByte, body)));

/** A mutation of one packet, whose length is put right. */
const ofPart =
	(change: (part: Part, random: Random, seeds: readonly Uint8Array[]) => Part): Mutation =>
	(bytes, random, seeds) => {
		const parts = cut(bytes);
		if (parts.length === 0) return bytes;
		const at = random.integer(parts.length);
		parts[at] = change(parts[at] as Part, random, seeds);
		return joined(parts);
	};

/** Texts that section 1.5.3 forbids, and topics that section 4.7 does. */
const texts: readonly Uint8Array[] = [
	...["c080", "eda080", "ff", "00", "f8888080", "efbbbf", "e282", "f4908080"].map((hex) => Buffer.from(hex, "hex")),
	...["", "#", "+", "psgl/1/+/down", "$SYS/#", "/".repeat(200), up, down, status, "a".repeat(300), "__proto__"].map(
		(text) => Buffer.from(text),
	),
];

/** Puts a forbidden text where one of a packet's texts begins, with its length right. */
const changeText = ofPart(({ firstByte, body }, random) => {
	const starts: number[] = [];
	for (let at = 0; at + 2 <= body.length; at++) {
		const length = ((body[at] as number) << 8) | (body[at + 1] as number);
		if (length > 0 && at + 2 + length <= body.length) starts.push(at);
	}
	const at = starts.length === 0 ? 0 : pick(random, starts);
	const length = body.length < 2 ? 0 : ((body[at] as number) << 8) | (body[at + 1] as number);
	const text = pick(random, texts);
	const lengthBytes = Buffer.of(text.length >> 8, text.length & 255);
	return {
		firstByte,
		body: replaced(body, at, Math.min(body.length, at + 2 + length), Buffer.concat([lengthBytes, text])),
	};
});

const changeFirstByte = ofPart(({ body }, random) => ({ firstByte: random.integer(256), body }));

const changeFlags = ofPart(({ firstByte, body }, random) => ({
	firstByte: firstByte ^ (1 << random.integer(4)),
	body,
}));

const changeBody = ofPart(({ firstByte, body }, random, seeds) => ({
	firstByte,
	body: pick(random, mutations)(body, random, seeds),
}));

/** Another order, packets left out and doubled. */
const shuffle: Mutation = (bytes, random, seeds) => {
	const parts = [...cut(bytes), ...cut(pick(random, seeds))];
	return joined(Array.from({ length: random.integer(8) }, () => pick(random, parts)));
};

/** A remaining length that lies, in up to five bytes. */
const lieAboutLength: Mutation = (bytes, random) => {
	const lie = Array.from({ length: random.integer(5) }, () => 0x80 | random.integer(128));
	return replaced(
		bytes,
		Math.min(1, bytes.length),
		Math.min(2, bytes.length),
		Buffer.from([...lie, random.integer(256)]),
	);
};

/**
 * A broker on TCP; each case is what one connection sends. After it another client's message has to be acknowledged, and
 * the connection has to end when its client ends it.
 */
export async function mqttTarget(): Promise<FuzzTarget> {
	const clock = new ManualClock();
	const log = createMemoryLog();
	const untyped: Error[] = [];
	const broker = await startBroker({
		port: 0,
		clock,
		log,
		onEvent(event) {
			if (event.type === "refused" && !(event.error instanceof PsglError)) untyped.push(event.error);
		},
	});
	const dial = async (): Promise<Socket> => {
		const socket = connect({ port: broker.port, host: broker.host, noDelay: true });
		socket.on("error", () => undefined);
		await once(socket, "connect");
		return socket;
	};
	const witness = await dial();
	witness.write(mqttPacket.generate(connectPacket({ clientId: "witness", keepalive: 0 })));
	await once(witness, "data");
	const message = mqttPacket.generate(publish("psgl/1/witness/up", "still served"));
	return {
		seeds: sessions.map((packets) => Buffer.concat(packets.map((packet) => mqttPacket.generate(packet)))),
		mutations: [changeText, changeFirstByte, changeFlags, changeBody, shuffle, lieAboutLength],
		async read(bytes) {
			// Rates are other tests' matter.
			await clock.advance(1000);
			const socket = await dial();
			const closed = new Promise((resolve) => socket.once("close", resolve));
			socket.resume();
			socket.write(bytes.subarray(0, bytes.length / 2));
			socket.write(bytes.subarray(bytes.length / 2));
			witness.write(message);
			const [answer] = (await once(witness, "data")) as [Buffer];
			if (answer[0] !== 0x40) throw new Error(`the witness got ${answer.toString("hex")}`);
			socket.end();
			await closed;
			log.release(log.end);
			const [error] = untyped.splice(0);
			if (error !== undefined) throw error;
		},
		async close() {
			witness.destroy();
			await broker.close();
		},
	};
}
