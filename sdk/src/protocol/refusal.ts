import { ProtocolError, type PsglError } from "../errors.js";
import type { RefusedMessage } from "./aggregator-messages.js";
import type { MessageIdentity } from "./identity.js";
import { protocolLimits } from "./limits.js";
import type { MessageType } from "./messages.js";

/** Refusals after which the same message, sent again, can succeed: it was damaged on its way, or had to make room. */
const passing: ReadonlySet<string> = new Set([
	"PSGL_PROTOCOL_CHECKSUM",
	"PSGL_PROTOCOL_CHUNK_MISSING",
	"PSGL_PROTOCOL_CHUNK_MISMATCH",
	"PSGL_PROTOCOL_CROWDED",
]);

/** The answer to a message that raised `error`. `retry` is true for what passes unless the caller says otherwise. */
export function refuse(
	device: string,
	error: PsglError,
	about?: Omit<MessageIdentity, "type"> & { readonly type?: MessageType | undefined },
	retry: boolean = passing.has(error.code),
): RefusedMessage {
	return {
		type: "refused",
		device,
		of: about?.type as RefusedMessage["of"],
		epoch: about?.epoch,
		seq: about?.seq,
		code: error.code,
		what: short(error.what) ?? "",
		got: short(error.got),
		expected: short(error.expected),
		remedy: short(error.remedy),
		retry,
	};
}

/** The refusal as an error, for the side that was refused. Keeps the code. */
export function refusalError(message: RefusedMessage): ProtocolError {
	const { code, got, expected, remedy } = message;
	const subject = message.of === undefined ? "a message" : `a ${message.of} message`;
	return new ProtocolError(code, { what: `the aggregator refused ${subject}: ${message.what}`, got, expected, remedy });
}

function short(text: string | undefined): string | undefined {
	const most = protocolLimits.maxTextLength;
	return text !== undefined && text.length > most ? `${text.slice(0, most - 3)}...` : text;
}
