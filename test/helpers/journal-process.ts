import { openFileJournal } from "@psgl/cloud";

/**
 * Appends to a journal without end, in a process of its own that tests kill: `fork(file, [folder])`. Each entry holds its
 * position; the parent is told of each that is safe.
 */
process.on("disconnect", () => process.exit());
const [folder = ""] = process.argv.slice(2);
const journal = await openFileJournal({ folder, run: "a".repeat(64), segmentBytes: 20_000 });
for (;;) {
	const bytes = new Uint8Array(500);
	new DataView(bytes.buffer).setUint32(0, journal.end);
	const position = await journal.append(bytes);
	await new Promise((sent) => process.send?.({ type: "appended", position }, sent));
}
