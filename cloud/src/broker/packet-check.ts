import { isUtf8 } from "node:buffer";
import { ProtocolError } from "@psgl/sdk";
import { notMqtt } from "./broker-errors.js";

/** Types of the packets a client may send (MQTT 3.1.1 section 2.2.1). */
export const packetTypes = {
	connect: 1,
	publish: 3,
	puback: 4,
	pubrec: 5,
	pubrel: 6,
	pubcomp: 7,
	subscribe: 8,
	unsubscribe: 10,
	pingreq: 12,
	disconnect: 14,
} as const;

const fromClients: ReadonlySet<number> = new Set(Object.values(packetTypes));

/** Protocol levels by name. MQTT 3.1 is let in too, for older clients. */
const levels: ReadonlyMap<string, number> = new Map([
	["MQTT", 4],
	["MQIsdp", 3],
]);

/** Reads the fields of a packet's body one after the other. */
class Fields {
	readonly #body: Buffer;
	#at = 0;

	constructor(body: Buffer) {
		this.#body = body;
	}

	get left(): number {
		return this.#body.length - this.#at;
	}

	byte(what: string): number {
		if (this.left < 1) throw cutOff(what);
		return this.#body[this.#at++] as number;
	}

	uint16(what: string): number {
		return this.byte(what) * 256 + this.byte(what);
	}

	bytes(what: string): Buffer {
		const length = this.uint16(what);
		if (this.left < length) throw cutOff(what);
		this.#at += length;
		return this.#body.subarray(this.#at - length, this.#at);
	}

	/** Section 1.5.3: well-formed UTF-8 without surrogates [MQTT-1.5.3-1] and U+0000 [MQTT-1.5.3-2]. */
	text(what: string): Buffer {
		const bytes = this.bytes(what);
		if (!isUtf8(bytes)) throw notMqtt(`${what} that is not UTF-8`, "well-formed UTF-8");
		if (bytes.includes(0)) throw notMqtt(`${what} with U+0000`, "a text without it");
		return bytes;
	}

	/** [MQTT-2.3.1-1] */
	packetId(): void {
		if (this.uint16("a packet identifier") === 0) throw notMqtt("packet identifier 0", "another than 0");
	}
}

/**
 * Bytes of a packet's body that `checkPacket` has to see, as far as that is known from the ones that are there: the topic
 * and packet identifier of PUBLISH, all of any other.
 */
export function neededBytes(firstByte: number, length: number, body: Buffer): number {
	if (firstByte >> 4 !== packetTypes.publish) return length;
	return Math.min(length, body.length < 2 ? 2 : body.readUInt16BE(0) + 4);
}

/**
 * What the parser behind does not look at: texts, packet identifiers, the flags of CONNECT, what a packet must hold at
 * least. A packet that breaks a rule ends the connection [MQTT-4.8.0-1].
 * @param body what `neededBytes` asked for
 * @throws ProtocolError `PSGL_BROKER_PACKET`, `PSGL_BROKER_VERSION`.
 */
export function checkPacket(firstByte: number, body: Buffer): void {
	const fields = new Fields(body);
	const type = firstByte >> 4;
	if (!fromClients.has(type)) throw notMqtt(`packet type ${type}`, "a packet that clients send");
	if (type === packetTypes.connect) checkConnect(fields);
	else if (type === packetTypes.publish) checkPublish(firstByte, fields);
	else if (type === packetTypes.subscribe || type === packetTypes.unsubscribe) checkFilters(type, fields);
	else if (type <= packetTypes.pubcomp) fields.packetId();
	// Of PUBLISH the message is left.
	if (type !== packetTypes.publish && fields.left > 0)
		throw notMqtt(`${fields.left} bytes after the end of a packet`, "none");
}

function checkConnect(fields: Fields): void {
	const name = fields.text("a protocol name").toString();
	const expected = levels.get(name);
	if (expected === undefined)
		throw notMqtt(`protocol name ${JSON.stringify(name.slice(0, 20))}`, "MQTT [MQTT-3.1.2-1]");
	const level = fields.byte("a protocol level");
	if (level !== expected) throw unknownVersion(level);
	const flags = fields.byte("connect flags");
	const [hasUser, hasPassword, will] = [flags & 0x80, flags & 0x40, flags & 0x04];
	const willQos = (flags >> 3) & 3;
	if ((flags & 1) !== 0) throw notMqtt("a reserved connect flag that is set", "0 [MQTT-3.1.2-3]");
	if (willQos === 3) throw notMqtt("a will at QoS 3", "0, 1 or 2 [MQTT-3.1.2-14]");
	if (will === 0 && (flags & 0x38) !== 0) throw notMqtt("flags of a will without one", "0 [MQTT-3.1.2-11]");
	if (hasUser === 0 && hasPassword !== 0) throw notMqtt("a password without a user", "none [MQTT-3.1.2-22]");
	fields.uint16("a keep alive");
	fields.text("a client id");
	if (will !== 0) {
		fields.text("the topic of a will");
		fields.bytes("the message of a will");
	}
	if (hasUser !== 0) fields.text("a user name");
	if (hasPassword !== 0) fields.bytes("a password");
}

function checkPublish(firstByte: number, fields: Fields): void {
	const topic = fields.text("a topic");
	// [MQTT-3.3.2-2], [MQTT-4.7.3-1]
	if (topic.length === 0 || topic.includes("#") || topic.includes("+")) {
		throw notMqtt(`the topic ${JSON.stringify(topic.toString().slice(0, 80))} in PUBLISH`, "one without wildcards");
	}
	const qos = (firstByte >> 1) & 3;
	if (qos === 0 && (firstByte & 8) !== 0) throw notMqtt("DUP at QoS 0", "DUP 0 [MQTT-3.3.1-2]");
	if (qos > 0) fields.packetId();
}

function checkFilters(type: number, fields: Fields): void {
	fields.packetId();
	// [MQTT-3.8.3-3], [MQTT-3.10.3-2]
	if (fields.left === 0) throw notMqtt("no topic filter", "at least one");
	while (fields.left > 0) {
		const filter = fields.text("a topic filter").toString();
		if (!isFilter(filter))
			throw notMqtt(`the topic filter ${JSON.stringify(filter.slice(0, 80))}`, "one of section 4.7");
		// [MQTT-3-8.3-4]
		if (type === packetTypes.subscribe && fields.byte("a QoS") > 2) throw notMqtt("a QoS above 2", "0, 1 or 2");
	}
}

/** [MQTT-4.7.3-1], [MQTT-4.7.1-2], [MQTT-4.7.1-3]: `#` as the last level, `+` as a whole one. */
function isFilter(filter: string): boolean {
	const levels = filter.split("/");
	const last = levels.length - 1;
	return (
		filter !== "" && levels.every((level, i) => level === "+" || (level === "#" && i === last) || !/[+#]/.test(level))
	);
}

function cutOff(what: string) {
	return notMqtt(`a packet that ends within ${what}`, "all of it");
}

/** Answered with return code 1 [MQTT-3.1.2-2]. */
function unknownVersion(level: number): ProtocolError {
	return new ProtocolError("PSGL_BROKER_VERSION", {
		what: "a connection speaks another version of MQTT",
		got: `protocol level ${level}`,
		expected: "4, which is MQTT 3.1.1",
		remedy: "Set the client to MQTT 3.1.1",
	});
}
