import { ProtocolError } from "../errors.js";
import type { RoundMessage, WeightsMessage } from "../protocol/index.js";
import type { CheckedData } from "./device-data.js";
import type { DeviceEvent } from "./device-event.js";
import type { ClientModel } from "./enrolment.js";
import { nextItem, post, type Training, welcomeEvent } from "./exchange.js";
import { sendWeights, trainingRound } from "./training-round.js";
import { validationRound } from "./validation-round.js";

/** The last round that was completed, in case the aggregator asks for it again. */
interface Completed {
	readonly round: RoundMessage;
	readonly weights: WeightsMessage | undefined;
	/** `Training.welcomes` when it began. */
	readonly welcomes: number;
}

/** The state machine of docs/protocol.md between `hello` and `end`: waits for rounds and does them. */
export async function* trainingLoop(training: Training, data: CheckedData): AsyncGenerator<DeviceEvent, void> {
	const { enrolment, link } = training;
	let announced: string | undefined;
	let completed: Completed | undefined;
	let lacking: RoundMessage | undefined;
	let quiet = 0;

	const ask = () => {
		const { awaitsWelcome, model } = enrolment;
		const resume = { type: "resume", device: training.id, epoch: 0, seq: 0 } as const;
		if (awaitsWelcome) post(training, enrolment.hello());
		else post(training, { ...resume, awaiting: model === undefined ? "artifact" : "round" });
	};

	// What came before this loop was not kept; what `hello` brings is on its way.
	if (enrolment.welcome !== undefined) {
		yield welcomeEvent(enrolment.welcome);
		if (enrolment.model !== undefined) ask();
	}
	for (;;) {
		const { model } = enrolment;
		if (model !== undefined && announced !== model.segment.digest) {
			const { digest, artifact } = model.segment;
			announced = digest;
			completed = undefined;
			yield { type: "artifact", name: artifact.manifest.name, version: artifact.manifest.version, digest };
		}
		const item = await nextItem(training, quiet);
		if (item === undefined) {
			quiet++;
			if (link.online) ask();
			continue;
		}
		quiet = 0;
		if (item.type === "unsent") throw item.error;
		if (item.type !== "message") {
			yield item.type === "link" ? item.event : item;
			if (item.type === "rejected") ask();
			continue;
		}
		const { message } = item;
		switch (message.type) {
			case "welcome":
				training.welcomes++;
				yield welcomeEvent(message);
				if (enrolment.model !== undefined) ask();
				break;
			case "artifact":
				ask();
				break;
			case "refused":
				yield { type: "refused", refusal: message };
				break;
			case "round":
				if (model === undefined) break;
				// After another welcome it is no copy: the aggregator was started again and begins the round anew.
				if (completed?.welcomes === training.welcomes && isSame(message, completed.round)) {
					if (completed.weights !== undefined) yield* sendWeights(training, completed.weights, completed.welcomes);
					break;
				}
				if (!takeOver(model, message)) {
					// Asked for at once the first time, and then as often as any answer that does not come.
					if (lacking === undefined || !isSame(message, lacking)) ask();
					lacking = message;
					yield { type: "rejected", error: weightsMissing(message.model) };
					break;
				}
				lacking = undefined;
				completed = yield* doRound(training, model, data, message);
				break;
			case "end":
				takeOver(model, message);
				yield { type: "end", reason: message.reason, epoch: message.epoch, model: message.model };
				return;
		}
	}
}

/** Does one round; undefined when the aggregator went on to something else meanwhile. */
async function* doRound(
	training: Training,
	model: ClientModel,
	data: CheckedData,
	round: RoundMessage,
): AsyncGenerator<DeviceEvent, Completed | undefined> {
	const part = round.task === "train" ? data.train : data.validation;
	const { welcomes } = training;
	if (part === undefined || part.length === 0) return { round, weights: undefined, welcomes };
	if (round.task === "validate") {
		const result = yield* validationRound(training, { round, model, data: part, welcomes });
		return result === "interrupted" ? undefined : { round, weights: undefined, welcomes };
	}
	const weights = yield* trainingRound(training, { round, model, data: part, welcomes });
	return weights === "interrupted" ? undefined : { round, weights, welcomes };
}

/** Loads the weights that came with a message. False when none came and the device does not hold that version. */
function takeOver(model: ClientModel | undefined, message: Pick<RoundMessage, "model" | "tensors">): boolean {
	if (message.tensors !== undefined) model?.state.load(message.tensors, message.model);
	return model?.state.holds(message.model) ?? false;
}

function weightsMissing(version: number): ProtocolError {
	return new ProtocolError("PSGL_DEVICE_WEIGHTS_MISSING", {
		what: "a round starts from weights this device does not hold, and brings none",
		got: `a round without weights, version ${version}`,
		expected: "the weights, as the device has trained on since it held that version",
		remedy: "The device has asked for them; if that does not help, restart the aggregator",
	});
}

function isSame(a: RoundMessage, b: RoundMessage): boolean {
	return a.epoch === b.epoch && a.task === b.task && a.model === b.model;
}
