import { Transform, type TransformCallback } from "node:stream";
import { LimitError, ProtocolError } from "../../errors.js";
import { receiverLimits } from "./receiver-limits.js";

const [firstType, lastType, dataTransfer] = [1, 7, 4];

/** (0000,0100), group first in little endian. */
const commandFieldTag = 0x0100_0000;
/** Command fields (PS3.7 annex E.1) of what a modality may ask for: C-STORE-RQ, C-ECHO-RQ. */
const commands: readonly number[] = [0x0001, 0x0030];

/**
 * Lets whole protocol data units through (PS3.8 section 9.3) and ends the stream at anything else: a unit of an unknown type, one longer
 * than was agreed, fragments of a command or an object beyond their bounds, a command that is neither C-STORE nor C-ECHO. Stands before the library, which would collect up
 * to 4 GiB for one announced unit.
 */
export class PduGuard extends Transform {
	#waiting: Buffer = Buffer.alloc(0);
	/** Bytes of the command and of the object that are not complete. */
	readonly #open = { command: 0, object: 0 };
	readonly #command: Buffer[] = [];

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
			if (kind === "command") this.#command.push(unit.subarray(at + 6, at + 4 + length));
			if ((control & 2) === 2) {
				this.#open[kind] = 0;
				if (kind === "command") requireCommand(Buffer.concat(this.#command.splice(0)));
			}
			at += 4 + length;
		}
	}
}

/** A command set is in implicit VR little endian: group, element, length, value (PS3.7 section 6.3.1). */
function requireCommand(set: Buffer): void {
	for (let at = 0; at + 8 <= set.length; at += 8 + set.readUInt32LE(at + 4)) {
		if (set.readUInt32LE(at) !== commandFieldTag || at + 10 > set.length) continue;
		const field = set.readUInt16LE(at + 8);
		if (commands.includes(field)) return;
		throw malformed(`command 0x${field.toString(16).padStart(4, "0")}`, "C-STORE or C-ECHO");
	}
	throw malformed("a command without a command field", "C-STORE or C-ECHO");
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
