import type { Dataset } from "../sources/dataset.js";
import { limitBatches, validationBatches } from "./batches.js";
import type { ClientModel } from "./client-model.js";
import { countRight, localScoresOf } from "./deployed-forward.js";
import type { DeviceEvent } from "./device-event.js";
import { exchange, type Training } from "./exchange.js";
import { fitBatches, holdWork } from "./hold-work.js";
import { leftOutEvent } from "./left-out.js";
import { releaseRecords } from "./release-records.js";
import type { RoundProgress } from "./round-progress.js";

export interface ValidationRound {
	readonly progress: RoundProgress;
	readonly model: ClientModel;
	readonly data: Dataset;
}

/** The device's validation batches as deployed, one in flight; the aggregator measures on them. */
export async function* validationRound(
	training: Training,
	{ progress: start, model, data }: ValidationRound,
): AsyncGenerator<DeviceEvent, RoundProgress | "interrupted"> {
	const { welcome, segment } = model;
	const { round } = start;
	const { records } = training.enrolment;
	const classes = segment.artifact.manifest.classes.length;
	const batches = limitBatches(validationBatches(data.length, welcome.batchSize), round.steps);
	const { epoch, task, learningRate } = round;
	const steps = batches.length;
	yield { type: "round", epoch, task, steps, pass: epoch, first: 0, passSteps: steps, learningRate };
	const fits = yield* fitBatches(training, model, epoch);
	if (fits === undefined) return "interrupted";
	let progress = start;
	while (progress.seq < batches.length) {
		yield* holdWork(training);
		const { seq } = progress;
		const kept = records.outbox.find({ type: "evaluate", epoch, seq });
		const whole = batches[seq] as Uint32Array;
		// A message that was kept has the samples that fitted then.
		const indices = kept === undefined ? whole.subarray(0, fits) : whole;
		const { x, y } = data.batch(indices);
		const released = kept ? undefined : await releaseRecords(training, model, data, indices);
		using permit = released?.permit;
		if (permit !== undefined) yield* leftOutEvent(permit, round);
		const localScores = released?.localScores ?? (await localScoresOf(model, x));
		const last = seq === batches.length - 1;
		const fields = { type: "evaluate", device: training.id, epoch, seq, model: round.model, last } as const;
		const answered = yield* exchange(training, {
			message: kept?.message ?? { ...fields, tensors: released?.tensors },
			release: permit,
			awaiting: "received",
			part: start,
			answer: async (m) =>
				(m.type === "received" && m.of === "evaluate" && m.epoch === epoch && m.seq === seq) || undefined,
		});
		if (answered === "interrupted") return answered;
		if (answered === "refused") {
			await records.settle({ progress: { ...progress, done: true } });
			return { ...progress, done: true };
		}
		progress = {
			...progress,
			seq: seq + 1,
			samples: progress.samples + indices.length,
			right: progress.right + countRight(localScores.data, y, classes),
			done: last,
		};
		await records.settle({ progress });
	}
	const { samples, right } = progress;
	yield { type: "validated", epoch, samples, localAccuracy: samples > 0 ? right / samples : 0 };
	return { ...progress, done: true };
}
