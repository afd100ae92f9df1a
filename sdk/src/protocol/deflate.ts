import { deflateSync, inflateSync } from "fflate";
import { ProtocolError } from "../errors.js";
import { protocolLimits as limits } from "./limits.js";

/** Higher levels take longer and save little more of smashed data. */
const level = 4;

/** Share of a body that deflate has to save to be worth undoing. */
const leastSaving = 0.05;

/** A body deflated (RFC 1951); undefined where that does not pay, or it would be taken for a bomb. */
export function deflateBody(body: Uint8Array): Uint8Array | undefined {
	const deflated = deflateSync(body, { level });
	if (deflated.length > (1 - leastSaving) * body.length) return undefined;
	return body.length <= limits.maxInflation * deflated.length ? deflated : undefined;
}

/**
 * A body as it was before it was deflated. No more memory is taken than a small multiple of what came.
 * @param bytes its length, as its header says
 * @throws ProtocolError `PSGL_PROTOCOL_DEFLATE`.
 */
export function inflateBody(deflated: Uint8Array, bytes: number): Uint8Array {
	if (bytes > limits.maxInflation * deflated.length) throw misfit(`${bytes} bytes from ${deflated.length}`);
	let inflated: Uint8Array;
	try {
		// One more than is expected: what is longer shows.
		inflated = inflateSync(deflated, { out: new Uint8Array(bytes + 1) });
	} catch (cause) {
		throw misfit((cause as Error).message, cause);
	}
	if (inflated.length !== bytes) throw misfit(`${inflated.length} bytes or more, where ${bytes} were announced`);
	return inflated;
}

function misfit(got: string, cause?: unknown): ProtocolError {
	return new ProtocolError("PSGL_PROTOCOL_DEFLATE", {
		what: "a deflated body cannot be used",
		got,
		expected: `what the header announces, at most ${limits.maxInflation} times as long as it came`,
		remedy: "Send the message again, or without deflate",
		cause,
	});
}
