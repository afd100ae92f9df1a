import type { Random } from "@psgl/sdk";

/** Changes bytes in one way. `seeds` are other inputs of the same reader, to splice with. The input stays as it is. */
export type Mutation = (bytes: Uint8Array, random: Random, seeds: readonly Uint8Array[]) => Uint8Array;

/** Numbers at the edges of what fields of 1, 2, 4 and 8 bytes hold: what a length that lies says. */
export const edges: readonly number[] = [
	0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 63, 64, 127, 128, 255, 256, 4095, 4096, 32_767, 32_768, 65_535, 65_536,
	0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff,
];

/** One of `choices`, of which there has to be one. */
export const pick = <T>(random: Random, choices: ArrayLike<T>): T => choices[random.integer(choices.length)] as T;

const place = (random: Random, bytes: Uint8Array) => random.integer(bytes.length + 1);

/** A stretch of the bytes, short ones more often. */
function stretch(random: Random, bytes: Uint8Array): readonly [start: number, end: number] {
	const start = place(random, bytes);
	const longest = Math.min(bytes.length - start, 2 ** (1 + random.integer(12)));
	return [start, start + random.integer(longest + 1)];
}

/** `bytes` with `[start, end)` replaced. */
export function replaced(bytes: Uint8Array, start: number, end: number, by: Uint8Array): Uint8Array {
	const result = new Uint8Array(start + by.length + bytes.length - end);
	result.set(bytes.subarray(0, start));
	result.set(by, start);
	result.set(bytes.subarray(end), start + by.length);
	return result;
}

function flipBit(bytes: Uint8Array, random: Random): Uint8Array {
	if (bytes.length === 0) return bytes;
	const result = Uint8Array.from(bytes);
	const at = random.integer(bytes.length);
	result[at] = (result[at] as number) ^ (1 << random.integer(8));
	return result;
}

function setByte(bytes: Uint8Array, random: Random): Uint8Array {
	if (bytes.length === 0) return bytes;
	const result = Uint8Array.from(bytes);
	result[random.integer(bytes.length)] = random.integer(256);
	return result;
}

/** A number of 1, 2, 4 or 8 bytes, in either order, wherever one may lie: lengths, counts, offsets, sizes. */
function lie(bytes: Uint8Array, random: Random): Uint8Array {
	const width = pick(random, [1, 2, 4, 8]);
	if (bytes.length < width) return bytes;
	const result = Uint8Array.from(bytes);
	const view = new DataView(result.buffer);
	const at = random.integer(bytes.length - width + 1);
	const littleEndian = random.integer(2) === 0;
	const value = pick(random, edges);
	if (width === 1) view.setUint8(at, value);
	else if (width === 2) view.setUint16(at, value, littleEndian);
	else if (width === 4) view.setUint32(at, value, littleEndian);
	else view.setBigUint64(at, BigInt(value) << BigInt(pick(random, [0, 0, 31, 32])), littleEndian);
	return result;
}

const truncate: Mutation = (bytes, random) => bytes.subarray(0, place(random, bytes));

const remove: Mutation = (bytes, random) => replaced(bytes, ...stretch(random, bytes), new Uint8Array(0));

function repeat(bytes: Uint8Array, random: Random): Uint8Array {
	const [start, end] = stretch(random, bytes);
	return replaced(bytes, end, end, bytes.subarray(start, end));
}

function noise(bytes: Uint8Array, random: Random): Uint8Array {
	const [start, end] = stretch(random, bytes);
	const length = random.integer(17);
	return replaced(
		bytes,
		start,
		end,
		Uint8Array.from({ length }, () => random.integer(256)),
	);
}

function splice(bytes: Uint8Array, random: Random, seeds: readonly Uint8Array[]): Uint8Array {
	const other = pick(random, seeds);
	return replaced(bytes, ...stretch(random, bytes), other.subarray(...stretch(random, other)));
}

/** The head of one input and the tail of another. */
const cross: Mutation = (bytes, random, seeds) => {
	const other = pick(random, seeds);
	return replaced(bytes, place(random, bytes), bytes.length, other.subarray(place(random, other)));
};

/** What may happen to the bytes of any format. */
export const mutations: readonly Mutation[] = [
	flipBit,
	flipBit,
	setByte,
	lie,
	lie,
	truncate,
	remove,
	repeat,
	noise,
	splice,
	cross,
];
