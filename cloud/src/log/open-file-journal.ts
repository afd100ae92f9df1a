import { randomUUID } from "node:crypto";
import { mkdir, open } from "node:fs/promises";
import { PsglError } from "@psgl/sdk";
import type { FileJournal, FileJournalOptions } from "./file-journal.js";
import { lockFolder } from "./journal-lock.js";
import { createSegment, listSegments, repairTail, type Segment } from "./journal-segments.js";
import { isFull, journalFull, journalUnusable, otherRun } from "./log-errors.js";
import { SegmentedJournal } from "./segmented-journal.js";

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
