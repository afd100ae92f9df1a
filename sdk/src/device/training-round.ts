import type { Tensors } from "../ports/runtime.js";
import type { AggregatorMessage, GradientMessage, RoundMessage, WeightsMessage } from "../protocol/index.js";
import type { Dataset } from "../sources/dataset.js";
import { scalar, type Tensor } from "../tensor.js";
import { limitBatches, trainingBatches } from "./batches.js";
import type { DeviceEvent } from "./device-event.js";
import { type ClientModel, deviceRandom } from "./enrolment.js";
import { exchange, type Training, type Unanswered } from "./exchange.js";
import { decodeReal, encodeReal, wireLabels } from "./wire-codec.js";

/** The device's part of one round: its batches, one in flight, then its weights. */
export interface TrainingRound {
	readonly round: RoundMessage;
	readonly model: ClientModel;
	readonly data: Dataset;
	/** `Training.welcomes` when the round began. */
	readonly welcomes: number;
}

/** Returns the `weights` message, which is sent again when the aggregator asks for the round a second time. */
export async function* trainingRound(
	training: Training,
	part: TrainingRound,
): AsyncGenerator<DeviceEvent, WeightsMessage | "interrupted"> {
	const { round, model, data } = part;
	const { welcome, state } = model;
	const { epoch, task, learningRate, pass = epoch, first = 0 } = round;
	const all = trainingBatches(data.length, welcome.batchSize, pass, deviceRandom(welcome, training.id));
	const batches = limitBatches(all, round.steps, first);
	yield { type: "round", epoch, task, steps: batches.length, learningRate };
	let samples = 0;
	let lossSum = 0;
	let steps = 0;
	for (const [seq, indices] of batches.entries()) {
		const step = yield* trainingStep(training, part, seq, indices);
		if (step === "interrupted") return step;
		// A batch the aggregator does not want, for instance because it went on without this device, ends the round.
		if (step === "refused") break;
		steps++;
		samples += indices.length;
		lossSum += step.localLoss * indices.length;
		const { bytesUp, bytesDown } = training.link;
		yield { type: "step", epoch, seq, steps: batches.length, samples: indices.length, ...step, bytesUp, bytesDown };
	}
	const localLoss = samples > 0 ? lossSum / samples : undefined;
	const tensors = state.weights;
	const message = {
		type: "weights",
		device: training.id,
		epoch,
		model: round.model,
		samples,
		localLoss,
		tensors,
	} as const;
	const answered = yield* sendWeights(training, message, part.welcomes);
	if (answered === "interrupted") return answered;
	const passDone = first + batches.length === all.length;
	if (answered !== "refused") yield { type: "trained", epoch, pass, passDone, steps, samples, localLoss };
	return message;
}

/** Sends the weights of a round until the aggregator has them. */
export async function* sendWeights(
	training: Training,
	message: WeightsMessage,
	welcomes: number,
): AsyncGenerator<DeviceEvent, true | Unanswered> {
	return yield* exchange(training, {
		message,
		awaiting: "received",
		welcomes,
		answer: async (m) => (m.type === "received" && m.of === "weights" && m.epoch === message.epoch) || undefined,
	});
}

interface Step {
	readonly losses: Readonly<Record<string, number>>;
	readonly localLoss: number;
}

/** One batch: forward, send, wait for the gradient at the cut, backward. */
async function* trainingStep(
	training: Training,
	{ round, model, data, welcomes }: TrainingRound,
	seq: number,
	indices: Uint32Array,
): AsyncGenerator<DeviceEvent, Step | Unanswered> {
	const { welcome, segment, state, perturbations } = model;
	const { manifest } = segment.artifact;
	const { x, y } = data.batch(indices);
	const inputs: Tensors = {
		...state.feeds(),
		x,
		budget: scalar(welcome.mapBudget),
		...(manifest.robustBudget > 0 && {
			delta: perturbations?.read(indices) ?? { ...x, data: new Float32Array(x.data.length) },
		}),
	};
	const { smashed, map } = await segment.run("client/forward", inputs);
	const cut = smashed as Tensor<"float32">;
	const answered = yield* exchange(training, {
		message: {
			type: "batch",
			device: training.id,
			epoch: round.epoch,
			seq,
			model: round.model,
			tensors: {
				smashed: await encodeReal(segment, cut, welcome.smashedDtype),
				labels: wireLabels(y, manifest.classes.length),
			},
		},
		awaiting: "gradient",
		welcomes,
		answer: async (message) => {
			if (!isGradient(message, round.epoch, seq)) return undefined;
			const { losses } = message;
			return { losses, cutGradient: await decodeReal(segment, message.tensors.cutGradient, cut.dims, "gradient") };
		},
	});
	if (typeof answered === "string") return answered;
	const outputs = await segment.run("client/train", {
		...inputs,
		...(map !== undefined && { map }),
		y,
		cutGradient: answered.cutGradient,
		learningRate: scalar(round.learningRate),
		headLearningRate: scalar(round.headLearningRate),
		robustBudget: scalar(welcome.robustBudget),
	});
	state.advance(outputs);
	const delta = outputs.next_delta;
	if (delta !== undefined) perturbations?.write(indices, delta as Tensor<"float32">);
	const losses = Object.fromEntries(manifest.streams.map((name, i) => [name, answered.losses[i] ?? Number.NaN]));
	return { losses, localLoss: outputs.localLoss?.data[0] as number };
}

/** Gradients of other batches, delivered again or late, are none of this one's. */
function isGradient(message: AggregatorMessage, epoch: number, seq: number): message is GradientMessage {
	return message.type === "gradient" && message.epoch === epoch && message.seq === seq;
}
