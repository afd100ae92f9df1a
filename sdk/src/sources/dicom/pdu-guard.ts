import { Transform, type TransformCallback } from "node:stream";
import { LimitError, ProtocolError } from "../../errors.js";
import { receiverLimits } from "./receiver-limits.js";

const [firstType, lastType, dataTransfer] = [1, 7, 4];

/**
 * Lets whole protocol data units through (PS3.8 section 9.3) and ends the stream at anything else: a unit of an unknown type, one longer
 * than was agreed, fragments of a command or an object beyond their bounds. Stands before the library, which would collect up
 * to 4 GiB for one announced unit.
 */
export class PduGuard extends Transform {
	#waiting: Buffer = Buffer.alloc(0);
	/** Bytes of the command and of the object that are not complete. */
	readonly #open = { command: 0, object: 0 };

	override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
		try {
			this.#waiting = this.#waiting.length === 0 ? chunk : Buffer.concat([this.#waiting, chunk]);
			while (this.#waiting.length >= 6) {
				const length = 6 + this.#requireUnit(this.#waiting);
				if (this.#waiting.length < length) break;
				const unit = this.#waiting.subarray(0, length);
				this.#waiting = this.#waiting.subarray(length);
				if (unit[0] === dataTransfer) this.#countFragments(unit);
				this.push(unit);
			}
			done();
		} catch (error) {
			done(error as Error);
		}
	}

	#requireUnit(head: Buffer): number {
		const type = head.readUInt8(0);
		const length = head.readUInt32BE(2);
		if (type < firstType || type > lastType) throw malformed(`a unit of type ${type}`, "types 1 to 7");
		if (length > receiverLimits.maxPduBytes) throw tooMuch(`a unit of ${length} bytes`, receiverLimits.maxPduBytes);
		return length;
	}

	/** Presentation data values: length, context, control header (bit 0: command, bit 1: last), fragment (PS3.8 annex E). */
	#countFragments(unit: Buffer): void {
		for (let at = 6; at < unit.length; ) {
			const length = at + 6 <= unit.length ? unit.readUInt32BE(at) : 0;
			if (length < 2 || at + 4 + length > unit.length)
				throw malformed("a fragment that does not fit its unit", "fragments");
			const control = unit.readUInt8(at + 5);
			const kind = (control & 1) === 1 ? "command" : "object";
			const most = kind === "command" ? receiverLimits.maxCommandBytes : receiverLimits.maxObjectBytes;
			this.#open[kind] += length - 2;
			if (this.#open[kind] > most) throw tooMuch(`more bytes of one ${kind}`, most);
			if ((control & 2) === 2) this.#open[kind] = 0;
			at += 4 + length;
		}
	}
}

function malformed(got: string, expected: string): ProtocolError {
	return new ProtocolError("PSGL_DICOM_PROTOCOL", { what: "a DICOM peer broke the protocol", got, expected });
}

function tooMuch(got: string, most: number): LimitError {
	return new LimitError("PSGL_DICOM_LIMIT", {
		what: "a DICOM peer sends too much",
		got,
		expected: `at most ${most} bytes`,
	});
}
