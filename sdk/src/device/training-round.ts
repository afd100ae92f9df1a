import { shortWeights, type WeightsMessage } from "../protocol/index.js";
import { awaitCredit } from "./await-credit.js";
import { limitBatches, trainingBatches } from "./batches.js";
import { type ClientModel, deviceRandom } from "./client-model.js";
import type { DeviceEvent } from "./device-event.js";
import { exchange, post, type Training, type Unanswered } from "./exchange.js";
import { fitBatches, holdWork, rest } from "./hold-work.js";
import type { RoundProgress } from "./round-progress.js";
import { answerTo, prepareBatch, type TrainingBatch, type TrainingRound, trainOn } from "./training-batch.js";

/**
 * The device's batches of one round, then its weights. As many batches are in flight as the aggregator's `window` says; each is made as soon
 * as there are fewer, and gradients are applied in the order of the batches: so batch k is made with the weights after exactly
 * k - window + 1 steps, whatever the link does, and a seed gives the same run.
 * @returns where the round ended, or that the aggregator went on to something else before it did
 */
export async function* trainingRound(
	training: Training,
	part: TrainingRound,
): AsyncGenerator<DeviceEvent, RoundProgress | "interrupted"> {
	const { model, data } = part;
	const { round } = part.progress;
	const { welcome } = model;
	const { records, credit } = training.enrolment;
	const { epoch, task, learningRate, pass = epoch, first = 0 } = round;
	const all = trainingBatches(data.length, welcome.batchSize, pass, deviceRandom(welcome, training.id));
	const batches = limitBatches(all, round.steps, first);
	const passSteps = all.length;
	yield { type: "round", epoch, task, steps: batches.length, pass, first, passSteps, learningRate };
	const fits = yield* fitBatches(training, model, epoch);
	if (fits === undefined) return "interrupted";
	let { progress } = part;
	let place = progress.seq + (progress.skipped ?? 0);
	let window = welcome.window ?? 1;
	const flying: TrainingBatch[] = [];
	using _ = disposing(flying);
	const isFlying = (seq: number) => flying.some((batch) => batch.seq === seq);
	/** Sends what was made and has credit by now, in order. */
	const sendMore = () => {
		for (const batch of flying) {
			if (batch.sent || batch.entry.restored) continue;
			if (welcome.window === undefined || !credit.allows(epoch, batch.seq)) return;
			post(training, batch.entry.message);
			batch.sent = true;
		}
	};
	for (;;) {
		while (flying.length < window && place < batches.length) {
			yield* holdWork(training);
			const seq = progress.seq + flying.length;
			if (flying.length === 0 && !(yield* awaitCredit(training, progress, seq))) return "interrupted";
			const samples = (batches[place] as Uint32Array).subarray(0, fits);
			const batch = yield* prepareBatch(training, { ...part, progress }, { seq, place, samples, ahead: flying.length });
			if (batch === "left-out") {
				place++;
				if (flying.length > 0) continue;
				progress = { ...progress, skipped: place - seq };
				await records.settle({ progress });
				continue;
			}
			place = batch.place + 1;
			flying.push(batch);
			window = Math.min(window, records.outbox.capacity(batch.entry));
			sendMore();
		}
		const [batch] = flying;
		if (batch === undefined) break;
		const { seq, entry } = batch;
		if (!batch.sent && !entry.restored) {
			if (!(yield* awaitCredit(training, progress, seq))) return "interrupted";
			post(training, entry.message);
			batch.sent = true;
		}
		const isOther = (other: number) => other > seq && isFlying(other);
		const answered = yield* answerTo(training, model, { batch, part: progress, isOther, onMessage: sendMore });
		if (answered === "interrupted") return answered;
		if (answered === "refused") {
			// A batch the aggregator does not want, for instance because it went on without this device, ends the round.
			progress = { ...progress, seq: batches.length };
			await records.settle({ progress });
			break;
		}
		const step = yield* trainOn(training, part, batch, answered);
		const { changes, losses, localLoss, samples, busyMs } = step;
		flying.shift();
		progress = {
			...progress,
			seq: seq + 1,
			...(batch.place > seq && { skipped: batch.place - seq }),
			steps: progress.steps + 1,
			samples: progress.samples + samples,
			lossSum: progress.lossSum + localLoss * samples,
		};
		await records.settle({ ...changes, progress, answered: flying.length > 0 ? entry.message : undefined });
		await training.enrolment.used();
		const { bytesUp, bytesDown } = training.link;
		const told = { losses, localLoss, bytesUp, bytesDown };
		yield { type: "step", epoch, seq, steps: batches.length, samples, ...told };
		await rest(training, busyMs);
	}
	return yield* sendRoundWeights(training, model, progress, first + batches.length === passSteps);
}

/** Gives back, when disposed of, the memory of the batches that are in flight then. */
function disposing(flying: readonly TrainingBatch[]): Disposable {
	return {
		[Symbol.dispose]() {
			for (const { pass } of flying) pass?.[Symbol.dispose]();
		},
	};
}

/** The end of a round: what the device has learned. @param passDone whether its batches were the last ones of the pass */
export async function* sendRoundWeights(
	training: Training,
	model: ClientModel,
	progress: RoundProgress,
	passDone: boolean,
): AsyncGenerator<DeviceEvent, RoundProgress | "interrupted"> {
	const message = weightsMessage(training.id, progress, model);
	const answered = yield* sendWeights(training, message, progress);
	if (answered === "interrupted") return answered;
	const ended = { ...progress, done: true };
	await training.enrolment.records.settle({ progress: ended });
	const { steps, samples, round } = progress;
	const { epoch, pass = epoch } = round;
	const localLoss = meanLocalLoss(progress);
	if (answered !== "refused") yield { type: "trained", epoch, pass, passDone, steps, samples, localLoss };
	return ended;
}

/** What a device tells at the end of a round. */
export function weightsMessage(
	device: string,
	progress: RoundProgress,
	{ state, segment }: ClientModel,
): WeightsMessage {
	const { round, samples } = progress;
	const { epoch, model } = round;
	// A mean over a few samples, all of whose scores the aggregator can work out, would tell their labels.
	const localLoss = segment.artifact.manifest.tail === null ? meanLocalLoss(progress) : undefined;
	// In a local round weights are all that travels.
	const tensors = round.task === "local" ? shortWeights(state.weights) : state.weights;
	return { type: "weights", device, epoch, model, samples, localLoss, tensors };
}

function meanLocalLoss({ samples, lossSum }: RoundProgress): number | undefined {
	return samples > 0 ? lossSum / samples : undefined;
}

/** Sends the weights of a round until the aggregator has them. */
export async function* sendWeights(
	training: Training,
	message: WeightsMessage,
	part: RoundProgress,
): AsyncGenerator<DeviceEvent, true | Unanswered> {
	return yield* exchange(training, {
		message,
		awaiting: "received",
		part,
		answer: async (m) => (m.type === "received" && m.of === "weights" && m.epoch === message.epoch) || undefined,
	});
}
