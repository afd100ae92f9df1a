import type { HelloMessage } from "@psgl/sdk/protocol";
import { cloudLimits } from "../limits.js";
import type { Validation } from "./events.js";
import type { BatchIdentity } from "./ledger.js";
import type { ResolvedSettings } from "./settings.js";

/** What the aggregator decided, in the order it decided it: with the devices' messages in the same log, all that weights depend on. */
export type RunRecord =
	/** An aggregator took the log over. */
	| { readonly type: "owner"; readonly epoch: number }
	/** A round begins with these devices. */
	| {
			readonly type: "round";
			readonly round: number;
			/** `RunHistory.session`. */
			readonly session: number;
			readonly learningRate: number;
			readonly settings: ResolvedSettings;
			readonly devices: readonly HelloMessage[];
	  }
	/** These batches go through the streams together, and their features to the devices, whose labels stay there. */
	| { readonly type: "features"; readonly epoch: number; readonly batches: readonly LoggedBatch[] }
	/** An optimiser step was made with these batches; where labels stay on the devices, those of the features before it whose gradients came. */
	| {
			readonly type: "step";
			readonly epoch: number;
			readonly batches: readonly (LoggedBatch & { readonly gradient?: Entries | undefined })[];
	  }
	/** A batch was answered with a refusal. */
	| ({ readonly type: "refused" } & BatchIdentity)
	/** A device's weights at the end of a leg were taken. */
	| { readonly type: "weights"; readonly epoch: number; readonly device: string; readonly entries: Entries }
	/** Codes of a device were kept. */
	| { readonly type: "codes"; readonly epoch: number; readonly device: string; readonly entries: Entries }
	/** At the end of a leg the segments became one with other partitions' copies. */
	| { readonly type: "merge"; readonly epoch: number; readonly parts: readonly MergePart[] }
	/** No more steps, no more weights. */
	| { readonly type: "leg-end"; readonly epoch: number }
	/** The round is finished. */
	| {
			readonly type: "round-end";
			readonly round: number;
			readonly validation: Validation | null;
			/** SHA-256 (hex) of the weights and the optimiser's state. */
			readonly digest: string;
	  }
	/** The round was stopped; what it learned is dropped. */
	| { readonly type: "round-dropped"; readonly round: number };

/** A batch and where it lies in the log. */
export type LoggedBatch = BatchIdentity & { readonly entries: Entries };

/** A partition's copy of the segments. */
export interface MergePart {
	readonly partition: number;
	/** Samples it was trained on since the merge before. */
	readonly weight: number;
	/** Name of the blob. */
	readonly copy: string;
	/** SHA-256 (hex) of its bytes. */
	readonly sha256: string;
}

/** Positions of a message's envelopes in the log. */
export type Entries = readonly number[];

export type RecordOf<T extends RunRecord["type"]> = Extract<RunRecord, { readonly type: T }>;

/** First byte of an entry that holds a whole record: where an entry of a device has its topic's length. */
const whole = 0;
/** First byte of an entry that holds a part of a record; the next one says which. */
const part = 1;
const firstPart = 1;
const lastPart = 2;

/** An entry of the log that no device sent: a zero, JSON. */
export function encodeRecord(record: RunRecord): Uint8Array {
	const json = new TextEncoder().encode(JSON.stringify(record));
	const bytes = new Uint8Array(1 + json.length);
	bytes.set(json, 1);
	return bytes;
}

/** The entries of a record: one, or for a long record its parts, which have to follow one another among the owner's entries. */
export function encodeRecordEntries(record: RunRecord, most = cloudLimits.recordPartBytes): readonly Uint8Array[] {
	const bytes = encodeRecord(record);
	if (bytes.length <= most) return [bytes];
	const count = Math.ceil(bytes.length / most);
	return Array.from({ length: count }, (_, i) => {
		const flags = (i === 0 ? firstPart : 0) | (i === count - 1 ? lastPart : 0);
		return Buffer.concat([Buffer.from([part, flags]), bytes.subarray(i * most, (i + 1) * most)]);
	});
}

/** Whether the aggregator wrote an entry, and no device. */
export function isRecordEntry(entry: Uint8Array): boolean {
	return entry[0] === whole || entry[0] === part;
}

/** The record in an entry of the log; undefined when a device published the entry, or it holds a part of one. */
export function decodeRecord(bytes: Uint8Array): RunRecord | undefined {
	if (bytes[0] !== whole) return undefined;
	// Written by this program and protected by the log's checksum.
	return JSON.parse(new TextDecoder().decode(bytes.subarray(1))) as RunRecord;
}

/** Reads the records out of a log's entries, in order. */
export class RecordReader {
	#parts: Uint8Array[] = [];

	/** The record that is whole with this entry. Parts that an owner did not finish are dropped. */
	take(entry: Uint8Array): RunRecord | undefined {
		if (entry[0] !== part) {
			if (entry[0] === whole) this.#parts = [];
			return decodeRecord(entry);
		}
		const flags = entry[1] ?? 0;
		if (flags & firstPart) this.#parts = [];
		this.#parts.push(entry.subarray(2));
		return flags & lastPart ? decodeRecord(Buffer.concat(this.#parts)) : undefined;
	}
}
