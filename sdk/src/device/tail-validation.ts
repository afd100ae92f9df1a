import type { FiguresMessage, ForwardMessage, WireTensor } from "../protocol/index.js";
import type { Tensor } from "../tensor.js";
import { limitBatches, validationBatches } from "./batches.js";
import { countRight, localScoresOf, rowsOf, scoresOfRow } from "./deployed-forward.js";
import type { DeviceEvent } from "./device-event.js";
import { requireFeatures, tailScores } from "./device-tail.js";
import { exchange, type Training } from "./exchange.js";
import { fitBatches } from "./hold-work.js";
import { leftOutEvent } from "./left-out.js";
import { releaseRecords } from "./release-records.js";
import type { RoundProgress } from "./round-progress.js";
import { isFeatures } from "./tail-step.js";
import type { ValidationRound } from "./validation-round.js";

export const figureLimits = {
	/** Fewest validation samples over which a device tells the aggregator what share was decided rightly. */
	leastFigureSamples: 16,
	/** Steps of accuracy and loss in a unit. */
	figureSteps: 100,
} as const;

/** Keeps the loss of a decision that is sure and wrong finite. */
const smallestProbability = 1e-12;

/**
 * Validation whose labels stay on the device: features come back for its batches, the device decides and counts, and tells two
 * rounded figures over all of them.
 */
export async function* tailValidation(
	training: Training,
	{ progress: start, model, data }: ValidationRound,
): AsyncGenerator<DeviceEvent, RoundProgress | "interrupted"> {
	const { welcome, segment, state } = model;
	const { round } = start;
	const { records } = training.enrolment;
	const { classes, streams } = segment.artifact.manifest;
	const batches = limitBatches(validationBatches(data.length, welcome.batchSize), round.steps);
	const { epoch, task, learningRate } = round;
	const steps = batches.length;
	yield { type: "round", epoch, task, steps, pass: epoch, first: 0, passSteps: steps, learningRate };
	const fits = yield* fitBatches(training, model, epoch);
	if (fits === undefined) return "interrupted";
	let progress = start;
	while (progress.seq < steps) {
		const { seq, decided = { samples: 0, right: 0, lossSum: 0 } } = progress;
		const kept = records.outbox.find({ type: "forward", epoch, seq });
		const whole = batches[seq] as Uint32Array;
		// A message that was kept has the samples that fitted then.
		const indices = kept === undefined ? whole.subarray(0, fits) : whole;
		const { x, y } = data.batch(indices);
		const released = kept ? undefined : await releaseRecords(training, model, data, indices);
		using permit = released?.permit;
		if (permit !== undefined) yield* leftOutEvent(permit, round);
		const localScores = released?.localScores ?? (await localScoresOf(model, x));
		const labels = rowsOf(y, permit?.admitted ?? kept?.samples ?? [...indices.keys()]);
		let { samples, right, lossSum } = decided;
		const smashed = released?.smashed as WireTensor | undefined;
		const message =
			kept?.message ?? (smashed && forwardMessage(training.id, { epoch, seq, model: round.model }, smashed));
		if (labels !== undefined && message !== undefined) {
			const count = labels.dims[0] as number;
			const features = yield* exchange(training, {
				message,
				release: permit,
				awaiting: "features",
				part: start,
				answer: async (m) => (isFeatures(m, "validate", epoch, seq) ? requireFeatures(model, m, count) : undefined),
			});
			if (features === "interrupted") return features;
			if (features === "refused") return settleDone(training, progress);
			const scores = scoresOfRow(await tailScores(model, state.weights.params, features), streams.length);
			samples += count;
			right += countRight(scores.data, labels, classes.length);
			lossSum += count * meanLoss(scores.data, labels, classes.length);
		}
		progress = {
			...progress,
			seq: seq + 1,
			samples: progress.samples + indices.length,
			right: progress.right + countRight(localScores.data, y, classes.length),
			decided: { samples, right, lossSum },
		};
		await records.settle({ progress });
	}
	const told = yield* exchange(training, {
		message: figures(training.id, progress),
		awaiting: "received",
		part: start,
		answer: async (m) => (m.type === "received" && m.of === "figures" && m.epoch === epoch) || undefined,
	});
	if (told === "interrupted") return told;
	const { samples, right } = progress;
	yield { type: "validated", epoch, samples, localAccuracy: samples > 0 ? right / samples : 0 };
	return settleDone(training, progress);
}

async function settleDone({ enrolment }: Training, progress: RoundProgress): Promise<RoundProgress> {
	const done = { ...progress, done: true };
	await enrolment.records.settle({ progress: done });
	return done;
}

function forwardMessage(
	device: string,
	identity: Pick<ForwardMessage, "epoch" | "seq" | "model">,
	smashed: WireTensor,
): ForwardMessage {
	return { type: "forward", device, task: "validate", ...identity, tensors: { smashed } };
}

/** Two figures over all samples, in coarse steps: 101 values of accuracy, hundredths of loss, are all they can say of the labels. */
export function figures(
	device: string,
	{ round: { epoch, model }, decided = { samples: 0, right: 0, lossSum: 0 } }: RoundProgress,
): FiguresMessage {
	const { samples, right, lossSum } = decided;
	const message = { type: "figures", device, epoch, model, samples } as const;
	if (samples < figureLimits.leastFigureSamples) return message;
	const rounded = (value: number) => Math.round(value * figureLimits.figureSteps) / figureLimits.figureSteps;
	return { ...message, accuracy: rounded(right / samples), loss: rounded(lossSum / samples) };
}

/** Mean over the samples, and over the labels where several may apply, of -log of the probability that a label is as it is. */
function meanLoss(scores: Float32Array, { dims, data }: Tensor<"int64">, classes: number): number {
	const several = dims.length === 2;
	let sum = 0;
	for (const [i, label] of data.entries()) {
		const score = scores[several ? i : i * classes + Number(label)] as number;
		sum -= Math.log(Math.max(several && label === 0n ? 1 - score : score, smallestProbability));
	}
	return sum / data.length;
}
