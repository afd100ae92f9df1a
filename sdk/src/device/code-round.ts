import type { CodesMessage } from "../protocol/index.js";
import type { Dataset } from "../sources/dataset.js";
import { validationBatches } from "./batches.js";
import type { ClientModel } from "./client-model.js";
import type { CheckedData } from "./device-data.js";
import type { DeviceEvent } from "./device-event.js";
import { exchange, type Training } from "./exchange.js";
import { leftOutEvent } from "./left-out.js";
import { releaseRecords } from "./release-records.js";
import type { RoundProgress } from "./round-progress.js";

export interface CodeRound {
	readonly progress: RoundProgress;
	readonly model: ClientModel;
	readonly data: CheckedData;
}

/**
 * Codes every sample with the weights of the round and sends the codes with their labels, training samples first. What the ledger has
 * stored of this segment goes again as it was; the aggregator keeps what it gets, and trains on that.
 */
export async function* codeRound(
	training: Training,
	{ progress: start, model, data }: CodeRound,
): AsyncGenerator<DeviceEvent, RoundProgress | "interrupted"> {
	const { round } = start;
	const { epoch, task } = round;
	const { records } = training.enrolment;
	const { batchSize } = model.welcome;
	const messages = [...parts("train", data.train, batchSize), ...parts("validation", data.validation, batchSize)];
	const steps = messages.length;
	yield { type: "round", epoch, task, steps, pass: epoch, first: 0, passSteps: steps, learningRate: 0 };
	let progress = start;
	for (const { part, dataset, indices } of messages.slice(progress.seq)) {
		const { seq } = progress;
		const kept = records.outbox.find({ type: "codes", epoch, seq });
		const released = kept ? undefined : await releaseRecords(training, model, dataset, indices);
		using permit = released?.permit;
		if (permit !== undefined) yield* leftOutEvent(permit, round);
		const last = seq === messages.length - 1;
		const message = kept?.message ?? {
			type: "codes",
			device: training.id,
			epoch,
			seq,
			model: round.model,
			part,
			last,
			// A model with a code releases nothing else.
			tensors: released?.tensors as CodesMessage["tensors"],
		};
		const answered = yield* exchange(training, {
			message,
			release: permit,
			awaiting: "received",
			part: start,
			answer: async (m) =>
				(m.type === "received" && m.of === "codes" && m.epoch === epoch && m.seq === seq) || undefined,
		});
		if (answered === "interrupted") return answered;
		const done = last || answered === "refused";
		progress = { ...progress, seq: seq + 1, samples: progress.samples + indices.length, done };
		await records.settle({ progress });
		if (done) break;
	}
	yield { type: "coded", epoch, samples: progress.samples };
	return { ...progress, done: true };
}

function parts(part: CodesMessage["part"], dataset: Dataset | undefined, batchSize: number) {
	if (dataset === undefined) return [];
	return validationBatches(dataset.length, batchSize).map((indices) => ({ part, dataset, indices }));
}
