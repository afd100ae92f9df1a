import type { RoundMessage } from "../protocol/index.js";
import type { Dataset } from "../sources/dataset.js";
import { limitBatches, validationBatches } from "./batches.js";
import { decide, deployedForward } from "./deployed-forward.js";
import type { DeviceEvent } from "./device-event.js";
import type { ClientModel } from "./enrolment.js";
import { exchange, type Training } from "./exchange.js";
import { encodeReal, wireLabels } from "./wire-codec.js";

export interface ValidationRound {
	readonly round: RoundMessage;
	readonly model: ClientModel;
	readonly data: Dataset;
	/** `Training.welcomes` when the round began. */
	readonly welcomes: number;
}

/** The device's validation batches as deployed, one in flight; the aggregator measures on them. */
export async function* validationRound(
	training: Training,
	{ round, model, data, welcomes }: ValidationRound,
): AsyncGenerator<DeviceEvent, "done" | "interrupted"> {
	const { welcome, segment } = model;
	const classes = segment.artifact.manifest.classes.length;
	const batches = limitBatches(validationBatches(data.length, welcome.batchSize), round.steps);
	const { epoch, task, learningRate } = round;
	yield { type: "round", epoch, task, steps: batches.length, learningRate };
	let samples = 0;
	let right = 0;
	for (const [seq, indices] of batches.entries()) {
		const { x, y } = data.batch(indices);
		const { smashed, localScores } = await deployedForward(model, x);
		const answered = yield* exchange(training, {
			message: {
				type: "evaluate",
				device: training.id,
				epoch,
				seq,
				model: round.model,
				last: seq === batches.length - 1,
				tensors: {
					smashed: await encodeReal(segment, smashed, welcome.smashedDtype),
					labels: wireLabels(y, classes),
				},
			},
			awaiting: "received",
			welcomes,
			answer: async (m) =>
				(m.type === "received" && m.of === "evaluate" && m.epoch === epoch && m.seq === seq) || undefined,
		});
		if (answered === "interrupted") return answered;
		if (answered === "refused") return "done";
		samples += indices.length;
		decide(localScores.data, classes).forEach((k, i) => {
			if (BigInt(k) === y.data[i]) right++;
		});
	}
	yield { type: "validated", epoch, samples, localAccuracy: samples > 0 ? right / samples : 0 };
	return "done";
}
