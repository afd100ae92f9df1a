/**
 * Protocol Buffers as far as a graph has to be changed before it is loaded (the encoding of protobuf.dev): fields that are not looked into
 * stay the bytes they are. A device's bundle has no room for a library, which would read every weight as well.
 */

/** One field of a message. */
export interface Field {
	readonly number: number;
	/** Of strings, bytes and messages; empty where the field is a number. */
	readonly content: Uint8Array;
	/** Of a varint; exact up to 2^53. */
	readonly value: number;
	/** All of it, the tag included. */
	readonly bytes: Uint8Array;
}

const wire = { varint: 0, eight: 1, content: 2, four: 5 } as const;
const none: Uint8Array = new Uint8Array();

/** The fields of a message in their order. @throws RangeError where the bytes are none, or are cut off */
export function fieldsOf(message: Uint8Array): Field[] {
	const fields: Field[] = [];
	let at = 0;
	const varint = () => {
		let value = 0;
		for (let factor = 1; ; factor *= 128) {
			const byte = message[at++];
			if (byte === undefined || factor > 2 ** 63) throw new RangeError("a number is cut off");
			value += (byte & 127) * factor;
			if (byte < 128) return value;
		}
	};
	while (at < message.length) {
		const start = at;
		const tag = varint();
		const kind = tag % 8;
		let value = 0;
		let content = none;
		if (kind === wire.varint) value = varint();
		else {
			const length = kind === wire.content ? varint() : { [wire.eight]: 8, [wire.four]: 4 }[kind];
			if (length === undefined || at + length > message.length) throw new RangeError("a field is cut off");
			content = message.subarray(at, at + length);
			at += length;
		}
		fields.push({ number: Math.floor(tag / 8), content, value, bytes: message.subarray(start, at) });
	}
	return fields;
}

/** Whole numbers of at least 0 that are packed behind each other. */
export function varintsIn(content: Uint8Array): readonly number[] {
	const values: number[] = [];
	let factor = 1;
	let value = 0;
	for (const byte of content) {
		value += (byte & 127) * factor;
		factor *= 128;
		if (byte >= 128) continue;
		values.push(value);
		[factor, value] = [1, 0];
	}
	return values;
}

/** A field that holds a whole number of at least 0, a text, or bytes of any kind: a message, packed numbers. */
export function field(number: number, value: number | string | Uint8Array): Uint8Array {
	if (typeof value === "number") return joined([varintOf(number * 8 + wire.varint), varintOf(value)]);
	const content = typeof value === "string" ? new TextEncoder().encode(value) : value;
	return joined([varintOf(number * 8 + wire.content), varintOf(content.length), content]);
}

/** A message of these fields. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
	const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
	let at = 0;
	for (const part of parts) {
		whole.set(part, at);
		at += part.length;
	}
	return whole;
}

function varintOf(value: number): Uint8Array {
	const bytes: number[] = [];
	let rest = value;
	for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
	return Uint8Array.of(...bytes, rest);
}
