import type { Manifest } from "../artifact/index.js";
import { ProtocolError } from "../errors.js";
import type { RoundMessage } from "../protocol/index.js";
import type { ClientModel } from "./client-model.js";
import { codeRound } from "./code-round.js";
import type { CheckedData } from "./device-data.js";
import type { DeviceEvent } from "./device-event.js";
import { isCopy, itemEvent, nextItem, post, type Training, welcomeEvent } from "./exchange.js";
import { followTwin } from "./hold-work.js";
import { localRound } from "./local-round.js";
import { compareRounds, type RoundProgress, startOfRound } from "./round-progress.js";
import { tailValidation } from "./tail-validation.js";
import { sendWeights, trainingRound, weightsMessage } from "./training-round.js";
import { validationRound } from "./validation-round.js";

/** The state machine of docs/protocol.md between `hello` and `end`: waits for rounds and does them. */
export async function* trainingLoop(training: Training, data: CheckedData): AsyncGenerator<DeviceEvent, void> {
	const { enrolment, link } = training;
	const { records } = enrolment;
	let announced: string | undefined;
	let lacking: RoundMessage | undefined;
	let quiet = 0;

	const ask = () => {
		const { awaitsWelcome, model } = enrolment;
		const resume = { type: "resume", device: training.id, epoch: 0, seq: 0 } as const;
		if (awaitsWelcome) post(training, enrolment.hello());
		else post(training, { ...resume, awaiting: model === undefined ? "artifact" : "round" });
	};
	/** Does what is left of the present round. */
	const goOn = async function* (): AsyncGenerator<DeviceEvent, void> {
		const { model } = enrolment;
		const { progress } = records;
		if (model !== undefined && progress !== undefined) yield* doRound(training, model, data, progress);
	};
	/** After `welcome`: goes on in the round the device was stopped in, or asks for one. */
	const takeUp = async function* (): AsyncGenerator<DeviceEvent, void> {
		const { progress } = records;
		// Another aggregator has forgotten the round, or never knew it.
		if (progress === undefined || progress.done || progress.aggregator !== enrolment.aggregator) return ask();
		const { round, seq } = progress;
		yield { type: "restored", epoch: round.epoch, task: round.task, seq };
		yield* goOn();
		// What the aggregator sent meanwhile was not kept.
		ask();
	};

	/** The last round is asked for again: what of it has no answer, its weights, or its measurement, which has no effect twice. */
	const again = async function* (progress: RoundProgress, model: ClientModel): AsyncGenerator<DeviceEvent, void> {
		if (!progress.done) return yield* goOn();
		const { task } = progress.round;
		if ((task === "train" || task === "local") && data.train !== undefined) {
			yield* sendWeights(training, weightsMessage(training.id, progress, model), progress);
			return records.settle({});
		}
		if (!model.state.holds(progress.round.model)) return;
		await records.settle({ progress: startOfRound(progress.round, progress.aggregator) });
		yield* goOn();
	};

	// What came before this loop was not kept; what `hello` brings is on its way.
	if (enrolment.welcome !== undefined) {
		yield welcomeEvent(enrolment.welcome);
		if (enrolment.model !== undefined) yield* takeUp();
	}
	for (;;) {
		const { model } = enrolment;
		if (model !== undefined && announced !== model.segment.digest) {
			const { digest, artifact } = model.segment;
			announced = digest;
			yield { type: "artifact", name: artifact.manifest.name, version: artifact.manifest.version, digest };
		}
		const item = await nextItem(training, quiet);
		if (item === undefined) {
			quiet++;
			if (link.online) ask();
			continue;
		}
		// One that does not fit is asked for less and less often.
		if (item.type !== "postponed") quiet = 0;
		if (item.type === "unsent") throw item.error;
		if (item.type !== "message") {
			yield itemEvent(item);
			if (item.type === "rejected") ask();
			continue;
		}
		const { message } = item;
		switch (message.type) {
			case "welcome":
				yield welcomeEvent(message);
				if (enrolment.model !== undefined) yield* takeUp();
				break;
			case "artifact":
				ask();
				break;
			case "refused":
				yield { type: "refused", refusal: message };
				break;
			case "desired":
				yield* followTwin(training);
				break;
			case "round": {
				if (model === undefined) break;
				const { progress } = records;
				if (progress !== undefined && isCopy(message, progress, enrolment.aggregator)) {
					if (compareRounds(message, progress.round) === 0) yield* again(progress, model);
					break;
				}
				const misfit = unfitTask(model.segment.artifact.manifest, message);
				if (misfit !== undefined) {
					yield { type: "rejected", error: misfit };
					break;
				}
				if (!takeOver(model, message)) {
					// Asked for at once the first time, and then as often as any answer that does not come.
					if (lacking === undefined || compareRounds(message, lacking) !== 0) ask();
					lacking = message;
					yield { type: "rejected", error: weightsMissing(message.model) };
					break;
				}
				lacking = undefined;
				await records.settle({ state: model.state, progress: startOfRound(message, enrolment.aggregator) });
				yield* goOn();
				break;
			}
			case "end":
				takeOver(model, message);
				await records.settle({ state: model?.state, progress: null });
				yield { type: "end", reason: message.reason, epoch: message.epoch, model: message.model };
				return;
		}
	}
}

/** Does one round, or what is left of it, unless the aggregator goes on to something else meanwhile. */
async function* doRound(
	training: Training,
	model: ClientModel,
	own: CheckedData,
	progress: RoundProgress,
): AsyncGenerator<DeviceEvent, void> {
	const { task } = progress.round;
	const data = await training.labels.of(own);
	if (task === "code") yield* codeRound(training, { progress, model, data });
	else {
		const part = task === "validate" ? data.validation : data.train;
		if (part === undefined || part.length === 0) {
			await training.enrolment.records.settle({ progress: { ...progress, done: true } });
			return;
		}
		const tail = task === "validate" && model.segment.artifact.manifest.tail !== null;
		yield* (tail ? tailValidation : rounds[task])(training, { progress, model, data: part });
	}
	training.link.announce();
}

const rounds = { train: trainingRound, local: localRound, validate: validationRound };

/** Why the artifact's release mode does not know a task; undefined when it does. */
function unfitTask({ code, disclosure }: Manifest, { task }: RoundMessage): ProtocolError | undefined {
	const everyEpoch = disclosure.release === "every-epoch";
	if (task === "train" ? everyEpoch : task === "validate" || (code !== null && !everyEpoch)) return undefined;
	return new ProtocolError("PSGL_DISCLOSURE_TASK", {
		what: "the aggregator asks for a round that the artifact's release mode does not have",
		got: `task ${task} with release ${disclosure.release}`,
		expected: everyEpoch ? "train or validate" : "local, code or validate",
		remedy: "Nothing was sent; check that aggregator and device use the same artifact",
	});
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
