import type { Random } from "@psgl/sdk";
import { edges, mutations, pick } from "./mutations.js";

/** A field as it travels: number and wire type, and its value's bytes or the fields inside it. */
interface Field {
	readonly tag: number;
	readonly value: Uint8Array | readonly Field[];
	/** How it was written, while nothing in it is changed. */
	readonly written?: Uint8Array;
}

/** Fields below this depth are taken as bytes. */
const deepest = 8;

/** Fields of what is changed again and again. */
const known = new WeakMap<Uint8Array, readonly Field[]>();

const none = new Uint8Array(0);

/**
 * A protocol buffer (protobuf.dev/programming-guides/encoding) with one field changed, left out, doubled or moved; the
 * lengths around it are put right, so that readers go beyond them.
 */
export function mutateProtobuf(bytes: Uint8Array, random: Random): Uint8Array {
	const fields = known.get(bytes) ?? parse(bytes, 0);
	if (fields !== undefined) known.set(bytes, fields);
	return fields === undefined ? bytes : write(mutateFields(fields, random));
}

function mutateFields(fields: readonly Field[], random: Random): readonly Field[] {
	const result = [...fields];
	const at = random.integer(fields.length);
	const field = result[at];
	if (field === undefined) return result;
	const action = random.integer(10);
	if (action === 0) result.splice(at, 1);
	else if (action === 1) result.splice(random.integer(result.length), 0, field);
	else if (action === 2)
		result[at] = { value: field.value, tag: pick(random, [field.tag ^ 8, field.tag ^ 2, field.tag + 16]) };
	else result[at] = { tag: field.tag, value: mutateValue(field, random) };
	return result;
}

function mutateValue({ tag, value }: Field, random: Random): Field["value"] {
	if (!(value instanceof Uint8Array)) return mutateFields(value, random);
	if ((tag & 7) === 0 && random.integer(2) === 0) return varint(pick(random, [...edges, -1, 2 ** 52]));
	return pick(random, mutations)(value, random, [value]);
}

function parse(bytes: Uint8Array, depth: number): Field[] | undefined {
	const fields: Field[] = [];
	for (let at = 0; at < bytes.length; ) {
		const [tag, start] = readVarint(bytes, at);
		const wire = tag & 7;
		const [length, from] = wire === 2 ? readVarint(bytes, start) : [0, start];
		const end = { 0: readVarint(bytes, start)[1], 1: start + 8, 2: from + length, 5: start + 4 }[wire];
		if (end === undefined || end > bytes.length || tag >> 3 === 0 || !Number.isFinite(end)) return undefined;
		const value = bytes.subarray(from, end);
		const inside = wire === 2 && depth < deepest && value.length > 1 ? parse(value, depth + 1) : undefined;
		fields.push({ tag, value: inside ?? value, written: bytes.subarray(at, end) });
		at = end;
	}
	return fields;
}

function readVarint(bytes: Uint8Array, at: number): [value: number, next: number] {
	let value = 0;
	for (let shift = 1, i = at; i < bytes.length && i < at + 10; i++, shift *= 128) {
		const byte = bytes[i] as number;
		value += (byte & 0x7f) * shift;
		if (byte < 0x80) return [value, i + 1];
	}
	return [0, Number.POSITIVE_INFINITY];
}

function varint(value: number): Uint8Array {
	const bytes: number[] = [];
	if (value < 0) {
		let rest = BigInt.asUintN(64, BigInt(value));
		for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
		return Uint8Array.from([...bytes, Number(rest)]);
	}
	let rest = value;
	for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
	return Uint8Array.from([...bytes, rest]);
}

function write(fields: readonly Field[]): Uint8Array {
	const pieces: Uint8Array[] = [];
	gather(fields, pieces);
	return Buffer.concat(pieces);
}

/** Adds what fields are written as. @returns how many bytes that is */
function gather(fields: readonly Field[], pieces: Uint8Array[]): number {
	let total = 0;
	const add = (piece: Uint8Array) => {
		pieces.push(piece);
		total += piece.length;
	};
	for (const { tag, value, written } of fields) {
		if (written !== undefined) {
			add(written);
			continue;
		}
		add(varint(tag));
		if ((tag & 7) !== 2) {
			if (value instanceof Uint8Array) add(value);
			else total += gather(value, pieces);
			continue;
		}
		// The length lies before what it is of.
		const place = pieces.push(none) - 1;
		const length = value instanceof Uint8Array ? value.length : gather(value, pieces);
		if (value instanceof Uint8Array) pieces.push(value);
		const lengthBytes = varint(length);
		pieces[place] = lengthBytes;
		total += lengthBytes.length + length;
	}
	return total;
}
