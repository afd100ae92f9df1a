import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { decodeCheckpoint, encodeCheckpoint, openFileJournal } from "@psgl/cloud";
import { tensor } from "@psgl/sdk";
import { checksum } from "@psgl/sdk/protocol";
import { z } from "zod";
import type { FuzzTarget } from "../fuzz-target.js";
import { mutateText } from "../mutate-tree.js";
import { type Mutation, replaced } from "../mutations.js";
import { clear, scratchFolder } from "./scratch-folder.js";

const run = "0".repeat(64);
const journalMagic = Buffer.from("PSGL journal 1\n");
const checkpointMagic = Buffer.from("PSGL checkpoint 1\n");

/** A number of four bytes, little-endian. */
function uint32(value: number): Buffer {
	const bytes = Buffer.alloc(4);
	bytes.writeUInt32LE(value >>> 0);
	return bytes;
}

/** JSON after a first line and its own length. */
function jsonRange(bytes: Uint8Array, magic: Uint8Array): readonly [start: number, end: number] {
	const start = magic.length + 4;
	const length = start <= bytes.length ? Buffer.from(bytes).readUInt32LE(magic.length) : 0;
	return [start, Math.max(start, Math.min(bytes.length, start + length))];
}

/** Changes the JSON header of a file whose first line is `magic`, and puts its length right. */
function changeHeader(magic: Uint8Array): Mutation {
	return (bytes, random) => {
		const [start, end] = jsonRange(bytes, magic);
		if (start >= end) return bytes;
		const json = mutateText(bytes.subarray(start, end), random);
		return replaced(bytes, magic.length, end, Buffer.concat([uint32(json.length), json]));
	};
}

/** A segment of a journal. */
function journalSeed(payloads: readonly Uint8Array[]): Uint8Array {
	const json = Buffer.from(JSON.stringify({ journal: "j", run, first: 0, previousBytes: 0 }));
	const records = payloads.map((payload, i) => {
		const head = Buffer.concat([uint32(payload.length), uint32(0), uint32(i), uint32(0)]);
		return Buffer.concat([head, uint32(checksum(head, payload)), payload]);
	});
	return Buffer.concat([journalMagic, uint32(json.length), json, uint32(checksum(json)), ...records]);
}

/** Every checksum of a segment put right, as far as its lengths lead. */
function resealJournal(bytes: Uint8Array): Uint8Array {
	const result = Buffer.from(bytes);
	const [start, end] = jsonRange(result, journalMagic);
	if (end + 4 > result.length) return result;
	result.writeUInt32LE(checksum(result.subarray(start, end)), end);
	for (let at = end + 4; at + 20 <= result.length; ) {
		const next = at + 20 + result.readUInt32LE(at);
		const crc = checksum(result.subarray(at, at + 16), result.subarray(at + 20, next));
		result.writeUInt32LE(crc, at + 16);
		at = next;
	}
	return result;
}

/** A journal's file: opened, read to its end, and gone on with. */
export async function journalTarget(): Promise<FuzzTarget> {
	const scratch = await scratchFolder();
	const payloads = ["", "a", "b".repeat(100), "c".repeat(3000)].map((text) => Buffer.from(text));
	return {
		seeds: [journalSeed(payloads), journalSeed([]), journalSeed(payloads.slice(0, 2))],
		mutations: [changeHeader(journalMagic)],
		reseal: resealJournal,
		async read(bytes) {
			clear(scratch.folder);
			writeFileSync(join(scratch.folder, "0000000000000000.journal"), bytes);
			await using journal = await openFileJournal({ folder: scratch.folder, run, fsync: "interval" });
			await readToEnd(journal);
			await journal.append(Buffer.from("more"));
		},
		close: () => scratch.remove(),
	};
}

async function readToEnd(journal: Awaited<ReturnType<typeof openFileJournal>>): Promise<void> {
	if (journal.end === 0) return;
	for await (const { position } of journal.read(0)) if (position + 1 >= journal.end) return;
}

/** Facts of every kind a checkpoint has. */
const facts = z.strictObject({
	artifact: z.string(),
	round: z.int().min(0),
	log: z.strictObject({ id: z.string(), position: z.int().min(0) }),
	best: z.strictObject({ round: z.int().min(0), loss: z.number() }).nullable(),
});

/** A checkpoint's file. */
export async function checkpointTarget(): Promise<FuzzTarget> {
	const vectors = {
		"client/params": tensor("float32", [5], Float32Array.of(1, 2, 3, 4, 5)),
		"server/slots": tensor("float32", [2, 3], new Float32Array(6)),
		"server/stats": tensor("float32", [0], new Float32Array(0)),
	};
	const known = { artifact: run, round: 3, log: { id: "j", position: 7 } };
	return {
		seeds: [
			encodeCheckpoint({ facts: { ...known, best: null }, vectors }),
			encodeCheckpoint({ facts: { ...known, best: { round: 1, loss: 0.5 } }, vectors }),
		],
		mutations: [changeHeader(checkpointMagic)],
		reseal(bytes) {
			const content = bytes.subarray(0, Math.max(0, bytes.length - 32));
			return Buffer.concat([content, createHash("sha256").update(content).digest()]);
		},
		read: (bytes) => decodeCheckpoint(bytes, facts),
	};
}
