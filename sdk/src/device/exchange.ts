import type { WorkGate } from "../budget/work-gate.js";
import { type LimitError, PsglError } from "../errors.js";
import type { DatasetDigests } from "../ledger/record-digest.js";
import type { Clock } from "../ports/clock.js";
import type { Random } from "../ports/random.js";
import type { TransportEvent } from "../ports/transport.js";
import { type AggregatorMessage, type Awaiting, protocolLimits, type RoundMessage } from "../protocol/index.js";
import type { WaitingStore } from "../store/waiting-store.js";
import type { AggregatorLink } from "./aggregator-link.js";
import type { DeviceEvent } from "./device-event.js";
import { deviceTimes } from "./device-times.js";
import type { Enrolment } from "./enrolment.js";
import type { Mailbox } from "./mailbox.js";
import type { KeptMessage, KeptRelease, OutboxEntry } from "./outbox.js";
import { compareRounds, type RoundProgress } from "./round-progress.js";
import type { ShownLabels } from "./shown-labels.js";

/** Answers to one message that may be of no use before the device gives up. */
const maxFaults = 5;

/** Messages about others in flight that are left for later. */
const maxLater = 4 * protocolLimits.maxWindow;

/** What reaches `train` from the link. */
export type TrainingItem =
	| { readonly type: "message"; readonly message: AggregatorMessage }
	| { readonly type: "link"; readonly event: TransportEvent }
	| { readonly type: "rejected"; readonly error: PsglError }
	/** The device has no room for the model at the moment, and asks for it again after a while. */
	| { readonly type: "postponed"; readonly error: LimitError }
	/** The device's own message could not be sent. */
	| { readonly type: "unsent"; readonly error: unknown };

/** What `train` tells of an item that is no message. */
export function itemEvent(
	item: Exclude<TrainingItem, { readonly type: "message" | "unsent" }>,
): Extract<DeviceEvent, TransportEvent | { readonly type: "rejected" }> {
	if (item.type === "link") return item.event;
	return { type: "rejected", error: item.error };
}

/** What the parts of `train` work with. */
export interface Training {
	readonly id: string;
	readonly link: AggregatorLink;
	readonly enrolment: Enrolment;
	readonly mailbox: Mailbox<TrainingItem>;
	readonly clock: Clock;
	/** When the device may work. */
	readonly gate: WorkGate;
	readonly store: WaitingStore | undefined;
	readonly answerTimeoutMs: number;
	readonly signal: AbortSignal | undefined;
	readonly noise: Pick<Random, "uniform">;
	/** Names of the device's samples in the disclosure ledger. */
	readonly digests: DatasetDigests;
	readonly labels: ShownLabels;
}

/** How an exchange ends without an answer: the aggregator went on to something else, or refused the message for good. */
export type Unanswered = "interrupted" | "refused";

export interface Answered<T> {
	readonly awaiting: Awaiting;
	/** The round it belongs to. */
	readonly part: RoundProgress;
	/**
	 * Reads the answer; undefined when this is none to the message.
	 * @throws NumericError, ShapeError when it is but cannot be used: it is asked for again.
	 */
	readonly answer: (message: AggregatorMessage) => Promise<T | undefined>;
}

export interface Exchange<T> extends Answered<T> {
	readonly message: KeptMessage;
	/** Of what the message holds of records; absent where it holds nothing, or was kept before. */
	readonly release?: KeptRelease | undefined;
}

/**
 * Keeps a message in the outbox, sends it and waits for its answer. A message from before a restart of the device is sent as it was then. The
 * caller settles it.
 * @throws as `awaitAnswer`, `Outbox.keep`.
 */
export async function* exchange<T>(
	training: Training,
	{ message, release, ...answered }: Exchange<T>,
): AsyncGenerator<DeviceEvent, T | Unanswered> {
	const entry = await training.enrolment.records.outbox.keep(message, release);
	return yield* awaitAnswer(training, { ...answered, entry, sent: false });
}

export interface AwaitedAnswer<T> extends Answered<T> {
	/** The message, in the outbox. */
	readonly entry: OutboxEntry;
	/** Whether it left in this process. */
	readonly sent: boolean;
	/** Whether another message, of that number, is in flight: what comes about it is left for later. */
	readonly isOther?: ((seq: number) => boolean) | undefined;
	/** Called with each message that comes. */
	readonly onMessage?: (() => void) | undefined;
}

/** The answer to a message in the outbox; what comes about others in flight is put back. @throws as `waitForAnswer`. */
export async function* awaitAnswer<T>(
	training: Training,
	awaited: AwaitedAnswer<T>,
): AsyncGenerator<DeviceEvent, T | Unanswered> {
	const later: TrainingItem[] = [];
	try {
		return yield* waitForAnswer(training, awaited, later);
	} finally {
		for (const item of later.reverse()) training.mailbox.putBack(item);
	}
}

/**
 * Sends a message, unless it was, and waits for its answer, over lost links, restarted aggregators and damaged
 * answers: first the answer is asked for (`resume`), then the message is sent again with the same identity, which has no
 * effect twice.
 * @throws the error of the last answer after five that could not be used; LimitError `PSGL_OUTBOX_EXPIRED`; DataError `PSGL_STORE_WRITE`.
 */
async function* waitForAnswer<T>(
	training: Training,
	{ entry, sent, awaiting, part, isOther, onMessage, answer }: AwaitedAnswer<T>,
	later: TrainingItem[],
): AsyncGenerator<DeviceEvent, T | Unanswered> {
	const { mailbox, link, enrolment } = training;
	const { outbox } = enrolment.records;
	const { message } = entry;
	const artifact = enrolment.model?.segment.digest;
	const seq = "seq" in message ? message.seq : 0;
	let faults = 0;
	let refusals = 0;
	let quiet = 0;
	/** The aggregator has the message; its answer takes its time. */
	let waits = false;

	const askAgain = (resent: boolean): DeviceEvent => {
		const resume = { type: "resume", device: training.id, awaiting, epoch: message.epoch, seq } as const;
		post(training, resent ? message : resume);
		return { type: "asked-again", awaiting, epoch: message.epoch, seq, resent };
	};
	const countFault = (error: unknown) => {
		if (++faults >= maxFaults) throw error;
	};

	if (entry.restored) yield askAgain(false);
	else if (!sent) post(training, message);
	for (;;) {
		const item = await nextItem(training, quiet);
		if (item === undefined) {
			outbox.requireFresh(entry);
			// While the link is down nothing can come; the reconnect will ask.
			if (!link.online) continue;
			if (enrolment.awaitsWelcome) post(training, enrolment.hello());
			else yield askAgain(quiet % 2 === 1 && !waits);
			waits = false;
			quiet++;
			continue;
		}
		switch (item.type) {
			case "link":
				yield item.event;
				continue;
			case "unsent":
				throw item.error;
			case "postponed":
				yield itemEvent(item);
				continue;
			case "rejected":
				yield item;
				countFault(item.error);
				yield askAgain(false);
				continue;
		}
		const incoming = item.message;
		onMessage?.();
		if (isAboutOther(incoming, message, isOther)) {
			// More than these are copies.
			if (later.length < maxLater) later.push(item);
			continue;
		}
		switch (incoming.type) {
			case "welcome":
				if (incoming.artifact !== artifact) {
					mailbox.putBack(item);
					return "interrupted";
				}
				yield welcomeEvent(incoming);
				yield askAgain(false);
				continue;
			case "round":
				if (isCopy(incoming, part, enrolment.aggregator)) continue;
				mailbox.putBack(item);
				return "interrupted";
			case "end":
				mailbox.putBack(item);
				return "interrupted";
			case "credit":
				waits ||= incoming.epoch === message.epoch;
				continue;
			case "refused":
				if (!isAbout(incoming, message, seq)) continue;
				yield { type: "refused", refusal: incoming };
				if (incoming.code === "PSGL_HELLO_FIRST") {
					// The aggregator was started again before this message reached it; its welcome leads back here.
					if (!enrolment.awaitsWelcome) post(training, enrolment.hello());
					continue;
				}
				if (!incoming.retry) return "refused";
				if (++refusals <= deviceTimes.maxPromptRepeats) yield askAgain(true);
				continue;
		}
		try {
			const result = await answer(incoming);
			if (result !== undefined) return result;
		} catch (error) {
			if (!(error instanceof PsglError)) throw error;
			yield { type: "rejected", error };
			countFault(error);
			yield askAgain(false);
		}
	}
}

/** The next item for `train`; undefined when none comes in time. `quiet`: how often in a row none came. */
export function nextItem({ mailbox, clock, answerTimeoutMs, signal }: Training, quiet: number) {
	return mailbox.next({ clock, signal, timeoutMs: answerTimeoutMs * Math.min(2 ** quiet, deviceTimes.maxPatience) });
}

/** Sends without waiting: the answer, or what went wrong, comes to the mailbox. */
export function post({ link, mailbox }: Training, message: Parameters<AggregatorLink["send"]>[0]): void {
	link.send(message).catch((error: unknown) => mailbox.push({ type: "unsent", error }));
}

/** What `train` tells of a `welcome`. */
export function welcomeEvent(welcome: Extract<AggregatorMessage, { type: "welcome" }>): DeviceEvent {
	const { model, strategy, batchSize, smashedDtype, gradientDtype, maxMessageBytes } = welcome;
	return { type: "welcome", model, strategy, batchSize, smashedDtype, gradientDtype, maxMessageBytes };
}

/**
 * Whether a `round` is not after the one a device is in, or was in last: it was asked for twice, or came again or late over
 * a bad link. An aggregator of another session has forgotten that round and begins it anew.
 */
export function isCopy(incoming: RoundMessage, part: RoundProgress, aggregator: number): boolean {
	return part.aggregator === aggregator && compareRounds(incoming, part.round) <= 0;
}

function isAboutOther(
	incoming: AggregatorMessage,
	message: KeptMessage,
	isOther: AwaitedAnswer<unknown>["isOther"],
): boolean {
	if (incoming.type !== "gradient" && (incoming.type !== "refused" || incoming.of !== message.type)) return false;
	const { epoch, seq } = incoming;
	return epoch === message.epoch && seq !== undefined && isOther?.(seq) === true;
}

function isAbout(refused: Extract<AggregatorMessage, { type: "refused" }>, message: KeptMessage, seq: number): boolean {
	return (
		(refused.of === undefined || refused.of === message.type) &&
		(refused.epoch === undefined || refused.epoch === message.epoch) &&
		(refused.seq === undefined || refused.seq === seq)
	);
}
