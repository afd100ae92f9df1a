import { creditVersion } from "../protocol/index.js";
import type { DeviceEvent } from "./device-event.js";
import { isCopy, itemEvent, nextItem, post, type Training, welcomeEvent } from "./exchange.js";
import type { RoundProgress } from "./round-progress.js";

/**
 * Waits until the aggregator has room for batch `seq` of a round, and asks when it hears nothing. An aggregator that grants
 * no credit, because it speaks version 1 of the protocol, takes one batch after the other.
 * @returns false when the aggregator went on to something else
 */
export async function* awaitCredit(
	training: Training,
	part: RoundProgress,
	seq: number,
): AsyncGenerator<DeviceEvent, boolean> {
	const { mailbox, link, enrolment } = training;
	const { epoch } = part.round;
	const artifact = enrolment.model?.segment.digest;
	const mayGo = () => {
		const { welcome, credit } = enrolment;
		return welcome === undefined || welcome.protocol < creditVersion || credit.allows(epoch, seq);
	};
	const ask = () => {
		if (enrolment.awaitsWelcome) post(training, enrolment.hello());
		else post(training, { type: "resume", device: training.id, awaiting: "credit", epoch, seq });
	};
	if (mayGo()) return true;
	yield { type: "waiting-for-credit", epoch, seq };
	// After a restart of the device nobody sends it what it was granted.
	if (link.online && !enrolment.credit.knows(epoch)) ask();
	for (let quiet = 0; !mayGo(); ) {
		const item = await nextItem(training, quiet);
		if (item === undefined) {
			quiet++;
			if (link.online) ask();
			continue;
		}
		if (item.type === "unsent") throw item.error;
		if (item.type !== "message") {
			yield itemEvent(item);
			continue;
		}
		const { message } = item;
		switch (message.type) {
			case "welcome":
				if (message.artifact !== artifact) {
					mailbox.putBack(item);
					return false;
				}
				yield welcomeEvent(message);
				ask();
				break;
			case "round":
				if (isCopy(message, part, enrolment.aggregator)) break;
				mailbox.putBack(item);
				return false;
			case "end":
				mailbox.putBack(item);
				return false;
			case "refused":
				yield { type: "refused", refusal: message };
				// The round is over for this device, or the aggregator was started again.
				if (message.code === "PSGL_ROUND_OVER" && message.epoch === epoch) return false;
				if (message.code === "PSGL_HELLO_FIRST" && !enrolment.awaitsWelcome) post(training, enrolment.hello());
				break;
		}
	}
	return true;
}
