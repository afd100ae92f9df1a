import { type FileHandle, open, rm } from "node:fs/promises";
import { DataError } from "@psgl/sdk";
import { cloudLimits } from "../limits.js";
import type { FileJournal, FileJournalOptions } from "./file-journal.js";
import { encodeRecordHeader, recordHeaderBytes } from "./journal-format.js";
import { JournalReader } from "./journal-reader.js";
import { createSegment, type Segment, type TornTail } from "./journal-segments.js";
import type { LogEntry, LogWaitOptions } from "./log.js";
import { entryTooLarge, isFull, journalFull, logClosed, released } from "./log-errors.js";
import { Waiters } from "./waiters.js";

interface Pending {
	readonly entry: Uint8Array;
	readonly resolve: (position: number) => void;
	readonly reject: (error: unknown) => void;
}

/** A journal whose folder was read and whose tail is whole. */
export class SegmentedJournal implements FileJournal {
	readonly durable = true;
	readonly id: string;
	readonly torn: TornTail | undefined;
	readonly openedAt: number;
	readonly #options: FileJournalOptions;
	readonly #segments: Segment[];
	readonly #unlock: () => Promise<void>;
	readonly #waiters = new Waiters();
	#handle: FileHandle;
	#start: number;
	#end: number;
	/** Bytes of the active segment that an fsync covers. */
	#safe: number;
	/** Appends in the order they came, so that waiting keeps it. */
	#admitted: Promise<unknown> = Promise.resolve();
	#queue: Pending[] = [];
	#queuedBytes = 0;
	#writing: Promise<void> | undefined;
	#timer: NodeJS.Timeout | undefined;
	/** The fsync of the interval that is under way. */
	#syncing: Promise<void> | undefined;
	#closed = false;
	/** After a failed fsync nobody knows what is on the disk. */
	#failed: unknown;

	constructor(
		options: FileJournalOptions,
		parts: {
			readonly segments: Segment[];
			readonly handle: FileHandle;
			readonly end: number;
			readonly torn: TornTail | undefined;
			readonly unlock: () => Promise<void>;
		},
	) {
		this.#options = options;
		this.#segments = parts.segments;
		this.#handle = parts.handle;
		this.#unlock = parts.unlock;
		this.torn = parts.torn;
		this.id = this.#active.header.journal;
		this.#start = (parts.segments[0] as Segment).header.first;
		this.#end = parts.end;
		this.openedAt = parts.end;
		this.#safe = this.#active.bytes;
	}

	get start(): number {
		return this.#start;
	}

	get end(): number {
		return this.#end;
	}

	append(entry: Uint8Array, { signal }: LogWaitOptions = {}): Promise<number> {
		const maxBytes = this.#options.maxBytes ?? cloudLimits.journalBytes;
		const admitted = this.#admitted.then(async () => {
			if (entry.length > maxBytes) throw entryTooLarge(entry.length, maxBytes);
			while (!this.#closed && this.#unreleasedBytes + entry.length > maxBytes) await this.#waiters.change(signal);
			if (this.#closed) throw logClosed();
			if (this.#failed !== undefined) throw this.#failed;
			this.#queuedBytes += entry.length;
			const written = new Promise<number>((resolve, reject) => this.#queue.push({ entry, resolve, reject }));
			this.#writing ??= this.#drain();
			// In an object: the admission of the next entry must not wait for this one's fsync.
			return { written };
		});
		this.#admitted = admitted.catch(() => undefined);
		return admitted.then(({ written }) => written);
	}

	async *read(from: number, { signal }: LogWaitOptions = {}): AsyncGenerator<LogEntry> {
		await using reader = new JournalReader(() => this.#segments);
		for (let position = from; ; position++) {
			while (position >= this.#end && !this.#closed) await this.#waiters.change(signal);
			signal?.throwIfAborted();
			if (position >= this.#end) return;
			if (position < this.#start) throw released(position, this.#start);
			yield { position, bytes: await reader.read(position) };
		}
	}

	release(before: number): void {
		this.#start = Math.max(this.#start, Math.min(before, this.#end));
		for (let next = this.#segments[1]; next !== undefined && next.header.first <= this.#start; ) {
			const gone = this.#segments.shift() as Segment;
			// A file that stays is released again at the next start.
			rm(gone.file, { force: true }).catch(() => undefined);
			next = this.#segments[1];
		}
		this.#waiters.notify();
	}

	async close(): Promise<void> {
		if (this.#closed) return;
		this.#closed = true;
		this.#waiters.notify();
		await this.#admitted;
		await this.#writing;
		clearTimeout(this.#timer);
		await this.#syncing;
		if (this.#failed === undefined) await this.#sync();
		await this.#handle.close();
		await this.#unlock();
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}

	get #active(): Segment {
		return this.#segments.at(-1) as Segment;
	}

	/** Payloads that are queued, and files that hold anything not released. */
	get #unreleasedBytes(): number {
		const [first] = this.#segments as [Segment];
		if (this.#start >= this.#end) return this.#queuedBytes;
		const files = this.#segments.reduce((sum, { bytes, start }) => sum + bytes - start, 0);
		return this.#queuedBytes + files - recordHeaderBytes * (this.#end - first.header.first);
	}

	/** Writes all that is queued, as often as something is: everyone who came meanwhile shares the next fsync. */
	async #drain(): Promise<void> {
		while (this.#queue.length > 0) {
			const group = this.#queue;
			this.#queue = [];
			await this.#commit(group);
			this.#waiters.notify();
		}
		this.#writing = undefined;
	}

	async #commit(group: readonly Pending[]): Promise<void> {
		for (let at = 0; at < group.length; ) {
			const count = this.#fitting(group, at);
			const part = group.slice(at, at + count);
			try {
				if (count === 0) await this.#roll();
				else await this.#write(part);
			} catch (error) {
				for (const { reject, entry } of group.slice(at)) {
					this.#queuedBytes -= entry.length;
					reject(error);
				}
				return;
			}
			at += count;
		}
	}

	/** How many of the next entries go into the active segment; 0 when a new one has to be begun. */
	#fitting(group: readonly Pending[], from: number): number {
		const { segmentBytes = cloudLimits.journalSegmentBytes } = this.#options;
		const { start } = this.#active;
		let { bytes } = this.#active;
		let count = 0;
		for (const { entry } of group.slice(from)) {
			bytes += recordHeaderBytes + entry.length;
			if (bytes > segmentBytes && this.#active.bytes + count > start) break;
			count++;
		}
		return count;
	}

	async #write(part: readonly Pending[]): Promise<void> {
		const { folder, fsync = "always" } = this.#options;
		const active = this.#active;
		const buffers = part.flatMap(({ entry }, i) => [
			encodeRecordHeader(entry, this.#safe, this.#end + i),
			Buffer.from(entry.buffer, entry.byteOffset, entry.byteLength),
		]);
		const bytes = Buffer.concat(buffers);
		try {
			for (let done = 0; done < bytes.length; ) {
				done += (await this.#handle.write(bytes, done, bytes.length - done, active.bytes + done)).bytesWritten;
			}
		} catch (error) {
			// What part of it was written must not lie between this entry and the next.
			await this.#handle.truncate(active.bytes).catch((cause: unknown) => this.#fail(cause));
			throw isFull(error) ? journalFull(folder, error) : this.#fail(error);
		}
		active.bytes += bytes.length;
		if (fsync === "always") await this.#sync();
		else this.#timer ??= setTimeout(() => this.#syncSoon(), cloudLimits.journalSyncIntervalMs);
		const first = this.#end;
		this.#end += part.length;
		this.#queuedBytes -= bytes.length - part.length * recordHeaderBytes;
		part.forEach(({ resolve }, i) => {
			resolve(first + i);
		});
	}

	async #roll(): Promise<void> {
		const { folder } = this.#options;
		await this.#syncing;
		await this.#sync();
		const { bytes, header } = this.#active;
		try {
			const next = await createSegment(folder, { ...header, first: this.#end, previousBytes: bytes });
			const handle = await open(next.file, "r+");
			const full = this.#handle;
			this.#handle = handle;
			this.#segments.push(next);
			this.#safe = next.bytes;
			// Another fsync of it may have begun meanwhile.
			await this.#syncing;
			await full.close();
		} catch (error) {
			throw isFull(error) ? journalFull(folder, error) : this.#fail(error);
		}
	}

	async #sync(): Promise<void> {
		const active = this.#active;
		const { bytes } = active;
		try {
			await this.#handle.datasync();
		} catch (error) {
			throw this.#fail(error);
		}
		if (active === this.#active) this.#safe = bytes;
	}

	#syncSoon(): void {
		this.#timer = undefined;
		// A failure shows at the next append.
		this.#syncing = this.#sync().catch(() => undefined);
	}

	#fail(cause: unknown): unknown {
		this.#failed ??= new DataError("PSGL_JOURNAL_WRITE", {
			what: `the journal in ${this.#options.folder} cannot be written any more`,
			got: (cause as Error).message,
			remedy: "Check the disk and start again: what was acknowledged is read back then",
			cause,
		});
		return this.#failed;
	}
}
