import type { Annotation } from "./signal-record.js";

/**
 * Reads the time-stamped annotation lists of one EDF+ data record (Kemp and Olivan 2003, section 2.2.2): each
 * `+ONSET[\x15DURATION]\x14TEXT\x14...\x00`. What is no list is passed over.
 *
 * @returns the onset of the first list, at which the record starts, and the annotations with a text
 */
export function parseTimestampedAnnotations(bytes: Buffer): { onset: number | undefined; annotations: Annotation[] } {
	const annotations: Annotation[] = [];
	let first: number | undefined;
	for (const list of bytes.toString("utf8").split("\0")) {
		const [stamp = "", ...texts] = list.split("\x14");
		const [onsetText = "", durationText] = stamp.split("\x15");
		if (!/^[+-]\d+(\.\d*)?$/.test(onsetText)) continue;
		const time = Number(onsetText);
		first ??= time;
		const duration = durationText === undefined ? undefined : Number(durationText);
		for (const label of texts) if (label !== "") annotations.push({ time, label, duration });
	}
	return { onset: first, annotations };
}
