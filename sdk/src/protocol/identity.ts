import { PsglError } from "../errors.js";
import { readFrame } from "./frame.js";
import type { Header } from "./headers.js";
import { defaultReceiveLimits, type ReceiveLimits } from "./limits.js";
import type { MessageType } from "./messages.js";

/** What an answer must name for the sender to know which message it is about. */
export interface MessageIdentity {
	readonly type: MessageType;
	readonly epoch?: number | undefined;
	readonly seq?: number | undefined;
}

export function identityOf(header: Header): MessageIdentity {
	return {
		type: header.type,
		epoch: "epoch" in header ? header.epoch : undefined,
		seq: "seq" in header ? header.seq : undefined,
	};
}

/** Key that is the same for all chunks of a message and differs between messages of one sender. */
export function messageKey(header: Header): string {
	const { type, epoch = "", seq = "" } = identityOf(header);
	const session = "session" in header ? header.session : "";
	const task = "task" in header ? header.task : "";
	return [type, epoch, seq, session, task].join(":");
}

/** Which message refused bytes were, where their header can be trusted: for the answer to it. */
export function identify(bytes: Uint8Array, limits: ReceiveLimits = defaultReceiveLimits): MessageIdentity | undefined {
	try {
		return identityOf(readFrame(bytes, limits).header);
	} catch (error) {
		if (error instanceof PsglError) return undefined;
		throw error;
	}
}
