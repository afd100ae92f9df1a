import { scalar } from "../tensor.js";
import { limitBatches, trainingBatches } from "./batches.js";
import { deviceRandom } from "./client-model.js";
import type { DeviceEvent } from "./device-event.js";
import { dropoutSeed } from "./dropout-seed.js";
import type { Training } from "./exchange.js";
import { fitBatches, holdWork, rest } from "./hold-work.js";
import type { RoundProgress } from "./round-progress.js";
import type { TrainingRound } from "./training-batch.js";
import { sendRoundWeights } from "./training-round.js";

/** Steps of client segment and local head on the device's own labels; nothing leaves but the weights at the end. */
export async function* localRound(
	training: Training,
	{ progress: start, model, data }: TrainingRound,
): AsyncGenerator<DeviceEvent, RoundProgress | "interrupted"> {
	const { round } = start;
	const { welcome, segment, state } = model;
	const { records } = training.enrolment;
	const { epoch, task, learningRate, headLearningRate, pass = epoch, first = 0, shieldWeight = 1 } = round;
	const random = deviceRandom(welcome, training.id);
	const all = trainingBatches(data.length, welcome.batchSize, pass, random);
	const batches = limitBatches(all, round.steps, first);
	yield { type: "round", epoch, task, steps: batches.length, pass, first, passSteps: all.length, learningRate };
	const fits = yield* fitBatches(training, model, epoch);
	if (fits === undefined) return "interrupted";
	let progress = start;
	for (const batch of batches.slice(progress.seq)) {
		training.signal?.throwIfAborted();
		yield* holdWork(training);
		const indices = batch.subarray(0, fits);
		const started = training.clock.now();
		const { x, y } = data.batch(indices);
		const outputs = await segment.run("client/local", {
			...state.feeds(),
			x,
			y,
			learningRate: scalar(learningRate),
			headLearningRate: scalar(headLearningRate),
			shieldWeight: scalar(shieldWeight),
			robustBudget: scalar(welcome.robustBudget),
			dropoutSeed: dropoutSeed(random, state.steps + 1),
		});
		const busyMs = training.clock.now() - started;
		state.advance(outputs);
		const { seq } = progress;
		const localLoss = outputs.localLoss?.data[0] as number;
		progress = {
			...progress,
			seq: seq + 1,
			steps: progress.steps + 1,
			samples: progress.samples + indices.length,
			lossSum: progress.lossSum + localLoss * indices.length,
		};
		await records.settle({ state, progress });
		const { bytesUp, bytesDown } = training.link;
		const told = { losses: {}, localLoss, bytesUp, bytesDown };
		yield { type: "step", epoch, seq, steps: batches.length, samples: indices.length, ...told };
		await rest(training, busyMs);
	}
	return yield* sendRoundWeights(training, model, progress, first + batches.length === all.length);
}
