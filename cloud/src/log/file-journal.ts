import { randomUUID } from "node:crypto";
import { mkdir, open } from "node:fs/promises";
import { PsglError } from "@psgl/sdk";
import { lockFolder } from "./journal-lock.js";
import { createSegment, listSegments, repairTail, type Segment, type TornTail } from "./journal-segments.js";
import type { Log } from "./log.js";
import { isFull, journalFull, journalUnusable, otherRun } from "./log-errors.js";
import { SegmentedJournal } from "./segmented-journal.js";

/** When an entry counts as safe: `always` after fsync; `interval` after the write, with an fsync every 50 ms. */
export type Fsync = "always" | "interval";

export interface FileJournalOptions {
	/** Made when it is not there. */
	readonly folder: string;
	/** What the journal is about: SHA-256 (hex) of the artifact. A journal of another run is refused. */
	readonly run: string;
	/** Default `always`. */
	readonly fsync?: Fsync | undefined;
	/** Length from which a new file is begun, bytes. Default 64 MiB. */
	readonly segmentBytes?: number | undefined;
	/** Bytes that may be in the journal and not released. Default 64 GiB. */
	readonly maxBytes?: number | undefined;
}

/** A log in files. */
export interface FileJournal extends Log {
	/** What opening cut off, because the process or the machine stopped while it was written. */
	readonly torn: TornTail | undefined;
}

/**
 * Opens a journal, or begins one.
 * @throws ConfigError `PSGL_JOURNAL_IN_USE`, `PSGL_JOURNAL_OTHER_RUN`; DataError `PSGL_JOURNAL_DAMAGED`,
 * `PSGL_JOURNAL_FORMAT`, `PSGL_JOURNAL_UNWRITABLE`; LimitError `PSGL_JOURNAL_FULL`.
 */
export async function openFileJournal(options: FileJournalOptions): Promise<FileJournal> {
	const { folder, run } = options;
	let unlock: (() => Promise<void>) | undefined;
	try {
		await mkdir(folder, { recursive: true });
		unlock = await lockFolder(folder);
		const segments = await listSegments(folder);
		const [first] = segments;
		if (first !== undefined && first.header.run !== run) throw otherRun(folder, first.header.run, run);
		if (first === undefined) {
			segments.push(await createSegment(folder, { journal: randomUUID(), run, first: 0, previousBytes: 0 }));
		}
		const last = segments.at(-1) as Segment;
		const { end, torn } = await repairTail(last);
		const handle = await open(last.file, "r+");
		await handle.sync();
		return new SegmentedJournal(options, { segments, handle, end, torn, unlock });
	} catch (error) {
		await unlock?.();
		if (error instanceof PsglError) throw error;
		throw isFull(error) ? journalFull(folder, error) : journalUnusable(folder, error);
	}
}
