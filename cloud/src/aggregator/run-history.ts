import { type Clock, DataError, PsglError } from "@psgl/sdk";
import { ChunkAssembler, type DeviceMessage, defaultReceiveLimits } from "@psgl/sdk/protocol";
import { cloudLimits } from "../limits.js";
import { decodeEntry } from "../log/entry.js";
import type { Log } from "../log/log.js";
import { released } from "../log/log-errors.js";
import { type Entries, encodeRecordEntries, type RecordOf, RecordReader, type RunRecord } from "./run-record.js";
import type { ResolvedSettings } from "./settings.js";

/** What the log tells of one leg. */
export interface LegHistory {
	/** Features, steps and refusals, in order. */
	readonly outcomes: (RecordOf<"features"> | RecordOf<"step"> | RecordOf<"refused">)[];
	readonly weights: RecordOf<"weights">[];
	readonly codes: RecordOf<"codes">[];
	ended: boolean;
	/** What its segments were merged with. */
	merged: RecordOf<"merge"> | undefined;
}

/** What the log tells of one round. */
export interface RoundHistory {
	readonly start: RecordOf<"round">;
	/** Position of the round's first record. */
	readonly position: number;
	readonly legs: Map<number, LegHistory>;
	end: RecordOf<"round-end"> | undefined;
}

export interface RunHistoryOptions {
	readonly log: Log;
	readonly clock: Clock;
	/** Longest envelope, bytes. */
	readonly maxMessageBytes: number;
	/** Only read: nothing is written, and what goes on after the log's end is not done. */
	readonly readOnly: boolean;
}

/**
 * The run as the log tells it, and where it goes on. Training asks here what it decided before and does the same again;
 * where the log ends it decides anew and writes that down.
 */
export class RunHistory {
	readonly #options: RunHistoryOptions;
	readonly #rounds = new Map<number, RoundHistory>();
	#resumeAt: number;
	#live = false;
	/** A long record that is being written, and those after it. */
	#writing: Promise<void> | undefined;
	#session = crypto.getRandomValues(new Uint32Array(1))[0] as number;
	#resolve: () => void = () => undefined;
	/** Resolves when everything the log tells has been done again. */
	readonly ready = new Promise<void>((resolve) => {
		this.#resolve = resolve;
	});

	private constructor(options: RunHistoryOptions) {
		this.#options = options;
		this.#resumeAt = Math.max(options.log.start, options.log.openedAt);
	}

	/**
	 * Reads a durable log's records from a position on.
	 * @throws DataError `PSGL_JOURNAL_DAMAGED`, `PSGL_LOG_RELEASED`.
	 */
	static async load(options: RunHistoryOptions, from: number): Promise<RunHistory> {
		const history = new RunHistory(options);
		const { log } = options;
		if (from >= log.openedAt) return history;
		if (log.start >= log.openedAt) return history;
		const records = new RecordReader();
		// After training nothing depends on the log: it was released beyond the last checkpoint, and tells of no round any more.
		for await (const { position, bytes } of log.read(Math.max(from, log.start))) {
			const record = records.take(bytes);
			if (record !== undefined) {
				if (from < log.start && record.type !== "owner") throw released(from, log.start);
				history.#take(record, position);
			}
			if (position === log.openedAt - 1) break;
		}
		const open = [...history.#rounds.values()].find((round) => round.end === undefined);
		if (open !== undefined) history.#resumeAt = open.position;
		return history;
	}

	/** Of a log that tells nothing of what was before this process. */
	static none(options: RunHistoryOptions): RunHistory {
		return new RunHistory(options);
	}

	/** Position from which devices' messages are read: some may not have had an effect yet. */
	get resumeAt(): number {
		return this.#resumeAt;
	}

	/** Whether a message came before this process did. */
	isPast(position: number): boolean {
		return position < this.#options.log.openedAt;
	}

	/** Whether everything the log tells has been done again. */
	get isLive(): boolean {
		return this.#live;
	}

	/** What was done in a round before; undefined when it is new. */
	round(round: number): RoundHistory | undefined {
		return this.#live ? undefined : this.#rounds.get(round);
	}

	/** What was done in a leg before. */
	leg(epoch: number): LegHistory | undefined {
		if (this.#live) return undefined;
		for (const { legs } of this.#rounds.values()) if (legs.has(epoch)) return legs.get(epoch);
		return undefined;
	}

	/** Number of the aggregator's memory of what devices sent, told in `welcome`: the same over restarts in mid-leg. */
	get session(): number {
		return this.#session;
	}

	/**
	 * From now on everything is decided anew.
	 * @param remembers what devices sent in the leg under way is known
	 */
	live(remembers = false): void {
		if (this.#live) return;
		const open = [...this.#rounds.values()].find((round) => round.end === undefined);
		if (remembers && open !== undefined) this.#session = open.start.session;
		this.#live = true;
		this.#rounds.clear();
		this.#resolve();
	}

	/** Writes a record; resolves when it is safe. While the disk is full, tries again. @throws ConnectionError `PSGL_LEASE_LOST`. */
	append(record: RunRecord): Promise<void> {
		const { log, readOnly } = this.#options;
		if (!log.durable || readOnly) return Promise.resolve();
		const entries = encodeRecordEntries(record);
		const [first] = entries as [Uint8Array];
		// A long record's parts follow one another: the next record waits.
		if (entries.length === 1 && this.#writing === undefined) return this.#write(first);
		const written = (this.#writing ?? Promise.resolve()).then(async () => {
			for (const entry of entries) await this.#write(entry);
		});
		const done = written
			.catch(() => undefined)
			.then(() => {
				if (this.#writing === done) this.#writing = undefined;
			});
		this.#writing = done;
		return written;
	}

	async #write(entry: Uint8Array): Promise<void> {
		const { log, clock } = this.#options;
		for (;;) {
			try {
				await log.append(entry, { asOwner: true });
				return;
			} catch (error) {
				if (!(error instanceof PsglError) || error.code !== "PSGL_JOURNAL_FULL") throw error;
				await clock.sleep(cloudLimits.journalRetryMs);
			}
		}
	}

	/** A device's message out of the log. @throws DataError `PSGL_JOURNAL_DAMAGED`, `PSGL_REPLAY_MESSAGE`. */
	async message<T extends DeviceMessage["type"]>(
		type: T,
		device: string,
		entries: Entries,
	): Promise<Extract<DeviceMessage, { readonly type: T }>> {
		const { log, clock, maxMessageBytes } = this.#options;
		const limits = { ...defaultReceiveLimits, maxMessageBytes };
		using assembler = new ChunkAssembler({ from: "device", device, clock, limits, onExpired: () => undefined });
		for (const position of entries) {
			for await (const { bytes } of log.read(position)) {
				const received = assembler.accept(decodeEntry(bytes).payload);
				const last = position === entries.at(-1);
				if (last && received?.message.type === type) return received.message as Extract<DeviceMessage, { type: T }>;
				break;
			}
		}
		throw new DataError("PSGL_REPLAY_MESSAGE", {
			what: `the log lacks a ${type} message that had an effect`,
			got: `device ${device}, entries ${entries.join(", ")}`,
			remedy: "Start from a later checkpoint",
		});
	}

	#take(record: RunRecord, position: number): void {
		switch (record.type) {
			case "owner":
				return;
			case "round":
				this.#rounds.set(record.round, { start: record, position, legs: new Map(), end: undefined });
				return;
			case "round-dropped":
				this.#rounds.delete(record.round);
				return;
			case "round-end": {
				const round = this.#rounds.get(record.round);
				if (round !== undefined) round.end = record;
				return;
			}
		}
		// A leg belongs to the round that is not finished.
		const round = [...this.#rounds.values()].at(-1);
		if (round === undefined) return;
		const leg = round.legs.get(record.epoch) ?? {
			outcomes: [],
			weights: [],
			codes: [],
			ended: false,
			merged: undefined,
		};
		round.legs.set(record.epoch, leg);
		if (record.type === "leg-end") leg.ended = true;
		else if (record.type === "merge") leg.merged = record;
		else if (record.type === "weights") leg.weights.push(record);
		else if (record.type === "codes") leg.codes.push(record);
		else leg.outcomes.push(record);
	}
}

/** The settings the first round in a log began with; undefined when it tells of none. */
export async function recordedSettings(log: Log): Promise<ResolvedSettings | undefined> {
	if (log.start >= log.openedAt) return undefined;
	const records = new RecordReader();
	for await (const { position, bytes } of log.read(log.start)) {
		const record = records.take(bytes);
		if (record?.type === "round") return record.settings;
		if (position === log.openedAt - 1) break;
	}
	return undefined;
}
