import { signalError, signalLimit } from "./signal-error.js";
import { signalLimits } from "./signal-limits.js";
import type { Annotation } from "./signal-record.js";

/** Symbols of annotation codes 1 to 41 (`ecgcodes.h` of the WFDB library); blank ones are unused. */
const symbols = ' NLRaVFJASEj/Q~ | sT*D"=pB^t+u?![]en@xf()r';

/** Symbols that stand for a beat, not for a change of rhythm, signal quality or a wave's edge. */
export const beatSymbols: ReadonlySet<string> = new Set("NLRBAaJSVrFejnE/fQ?");

/** Codes that are no annotation of their own (annot(5)): long pause, and fields of the annotation before. */
const [skip, num, sub, chn, aux] = [59, 60, 61, 62, 63];

/**
 * Reads annotations in the MIT format (annot(5) of the WFDB manual).
 * @param sampleRate ticks of its clock a second
 * @throws DataError `PSGL_SIGNAL_TRUNCATED` when it ends without an end mark; LimitError `PSGL_SIGNAL_LIMIT`
 */
export function parseWfdbAnnotations(bytes: Buffer, sampleRate: number, name: string): Annotation[] {
	const annotations: Annotation[] = [];
	let tick = 0;
	for (let at = 0; at + 2 <= bytes.length; ) {
		const word = bytes.readUInt16LE(at);
		const code = word >> 10;
		const rest = word & 0x3ff;
		at += 2;
		if (word === 0) return annotations;
		if (code === skip) {
			if (at + 4 > bytes.length) break;
			// A 32-bit interval as a PDP-11 has it: high word first, each word little endian.
			tick += (bytes.readInt16LE(at) << 16) | bytes.readUInt16LE(at + 2);
			at += 4;
		} else if (code === aux) {
			at += rest + (rest % 2);
		} else if (code !== num && code !== sub && code !== chn) {
			tick += rest;
			if (annotations.length === signalLimits.maxAnnotations) {
				throw signalLimit(name, "more annotations", `${signalLimits.maxAnnotations} annotations`);
			}
			annotations.push({ time: tick / sampleRate, label: symbols[code] ?? "?" });
		}
	}
	throw signalError(
		"PSGL_SIGNAL_TRUNCATED",
		name,
		`${annotations.length} annotations and no end mark`,
		"a whole file of annotations",
	);
}
