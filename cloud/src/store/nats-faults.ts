import { JetStreamApiCodes, JetStreamApiError } from "@nats-io/jetstream";
import { errors } from "@nats-io/transport-node";

/** JetStream's error codes that mean there is no room: bytes of the stream, storage of account or server. */
const fullCodes = new Set([10002, 10023, 10028, 10047, 10077]);

/** Codes that pass by themselves: no leader yet, no quorum, a server that is starting. */
const passingCodes = new Set([10003, 10004, 10005, 10007, 10008, 10009, 10066, 10118]);

/** Whether the store says that it is full. */
export function isStoreFull(error: unknown): boolean {
	return error instanceof JetStreamApiError && fullCodes.has(error.code);
}

/** Whether somebody else wrote first. */
export function isWrongSequence(error: unknown): boolean {
	return error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamWrongLastSequence;
}

/** Whether there is no such stream. */
export function isMissingStream(error: unknown): boolean {
	return error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound;
}

/** Whether a stream of that name, or of its subjects, was made a moment ago. */
export function isTaken(error: unknown): boolean {
	return error instanceof JetStreamApiError && (error.code === 10058 || error.code === 10065);
}

/** Whether the same call may succeed later: the link broke, nobody leads, or nobody answered in time. */
export function isPassing(error: unknown): boolean {
	if (isStoreFull(error)) return false;
	if (error instanceof JetStreamApiError) return passingCodes.has(error.code) || error.status === 503;
	return (
		error instanceof errors.TimeoutError ||
		error instanceof errors.RequestError ||
		error instanceof errors.NoRespondersError ||
		error instanceof errors.ConnectionError ||
		// A stream whose leader is being elected answers nobody, which the client takes for JetStream not being enabled.
		(error as Error | undefined)?.cause instanceof errors.RequestError
	);
}

/** Whether nobody listens on the subject that was asked. */
export function isUnheard(error: unknown): boolean {
	return error instanceof errors.RequestError && error.cause instanceof errors.NoRespondersError;
}
