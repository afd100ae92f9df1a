import type { TornTail } from "./journal-segments.js";
import type { Log } from "./log.js";

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
