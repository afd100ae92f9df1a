/** Root of ids under UUIDs (PS3.5 annex B.2), made for this implementation. */
export const implementationClassUid = "2.25.263873614127716842291427311364184216453";

/** A received data set as a DICOM Part 10 file (PS3.10 section 7.1). */
export function part10(
	dataSet: Uint8Array,
	ids: { readonly transferSyntax: string; readonly sopClass: string; readonly sopInstance: string },
): Buffer {
	const meta = Buffer.concat([
		// File meta information version 00 01, value representation OB.
		Buffer.from([0x02, 0x00, 0x01, 0x00, 0x4f, 0x42, 0, 0, 2, 0, 0, 0, 0, 1]),
		uid(0x0002, ids.sopClass),
		uid(0x0003, ids.sopInstance),
		uid(0x0010, ids.transferSyntax),
		uid(0x0012, implementationClassUid),
	]);
	const length = Buffer.from([0x02, 0x00, 0x00, 0x00, 0x55, 0x4c, 4, 0, 0, 0, 0, 0]);
	length.writeUInt32LE(meta.length, 8);
	return Buffer.concat([Buffer.alloc(128), Buffer.from("DICM"), length, meta, dataSet]);
}

function uid(element: number, value: string): Buffer {
	const padded = Buffer.from(value.length % 2 === 0 ? value : `${value}\0`, "latin1");
	const head = Buffer.from([0x02, 0x00, 0, 0, 0x55, 0x49, 0, 0]);
	head.writeUInt16LE(element, 2);
	head.writeUInt16LE(padded.length, 6);
	return Buffer.concat([head, padded]);
}
