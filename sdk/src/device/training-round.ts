import { flipProbability } from "../artifact/index.js";
import { disclosuresOf } from "../ledger/disclosure-cost.js";
import type { Tensors } from "../ports/runtime.js";
import type { AggregatorMessage, CodeTensor, GradientMessage, WeightsMessage, WireTensor } from "../protocol/index.js";
import type { Dataset } from "../sources/dataset.js";
import { scalar, type Tensor } from "../tensor.js";
import { awaitCredit } from "./await-credit.js";
import { limitBatches, trainingBatches } from "./batches.js";
import { type ClientModel, deviceRandom } from "./client-model.js";
import { levelIndices, randomised } from "./code-wire.js";
import type { DeviceEvent } from "./device-event.js";
import type { DeviceChanges } from "./device-records.js";
import { dropoutSeed } from "./dropout-seed.js";
import { exchange, type Training, type Unanswered } from "./exchange.js";
import { fitBatches, holdWork, rest } from "./hold-work.js";
import { leftOutEvent } from "./left-out.js";
import type { KeptRelease } from "./outbox.js";
import type { RoundProgress } from "./round-progress.js";
import { type BatchAnswer, type LeavingBatch, tailStep } from "./tail-step.js";
import { decodeReal, encodeReal, wireLabels } from "./wire-codec.js";

/** The device's part of one round: its batches, one in flight, then its weights. */
export interface TrainingRound {
	readonly progress: RoundProgress;
	readonly model: ClientModel;
	readonly data: Dataset;
}

/** Returns where the round ended, and whether the aggregator went on to something else before it did. */
export async function* trainingRound(
	training: Training,
	part: TrainingRound,
): AsyncGenerator<DeviceEvent, RoundProgress | "interrupted"> {
	const { model, data } = part;
	const { round } = part.progress;
	const { welcome } = model;
	const { records } = training.enrolment;
	const { epoch, task, learningRate, pass = epoch, first = 0 } = round;
	const all = trainingBatches(data.length, welcome.batchSize, pass, deviceRandom(welcome, training.id));
	const batches = limitBatches(all, round.steps, first);
	const passSteps = all.length;
	yield { type: "round", epoch, task, steps: batches.length, pass, first, passSteps, learningRate };
	const fits = yield* fitBatches(training, model, epoch);
	let progress = part.progress;
	for (;;) {
		yield* holdWork(training);
		const { seq, skipped = 0 } = progress;
		const batch = batches[seq + skipped]?.subarray(0, fits);
		if (batch === undefined) break;
		if (!(yield* awaitCredit(training, progress, seq))) return "interrupted";
		const step = yield* trainingStep(training, part, seq, batch);
		if (step === "interrupted") return step;
		if (step === "left-out") {
			progress = { ...progress, skipped: skipped + 1 };
			await records.settle({ progress });
			continue;
		}
		if (step === "refused") {
			// A batch the aggregator does not want, for instance because it went on without this device, ends the round.
			progress = { ...progress, seq: batches.length };
			await records.settle({ progress });
			break;
		}
		const { changes, losses, localLoss, samples, busyMs } = step;
		progress = {
			...progress,
			seq: seq + 1,
			steps: progress.steps + 1,
			samples: progress.samples + samples,
			lossSum: progress.lossSum + localLoss * samples,
		};
		await records.settle({ ...changes, progress });
		await training.enrolment.used();
		const { bytesUp, bytesDown } = training.link;
		const told = { losses, localLoss, bytesUp, bytesDown };
		yield { type: "step", epoch, seq, steps: batches.length, samples, ...told };
		await rest(training, busyMs);
	}
	return yield* sendRoundWeights(training, model, progress, first + batches.length === passSteps);
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
	return { type: "weights", device, epoch, model, samples, localLoss, tensors: state.weights };
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

interface Step {
	/** What the step changed, to be kept. */
	readonly changes: DeviceChanges;
	readonly losses: Readonly<Record<string, number>>;
	readonly localLoss: number;
	readonly samples: number;
	/** Milliseconds of computing. */
	readonly busyMs: number;
}

/** Batch normalisation needs the spread of at least two samples. */
const fewestSamples = 2;

/** One batch: what of it may leave, forward, send, wait for the gradient at the cut, backward. */
async function* trainingStep(
	training: Training,
	{ progress: part, model, data }: TrainingRound,
	seq: number,
	batch: Uint32Array,
): AsyncGenerator<DeviceEvent, Step | Unanswered | "left-out"> {
	const { round } = part;
	const { records } = training.enrolment;
	const { manifest } = model.segment.artifact;
	// A message that was kept was counted; it holds what was allowed then.
	const kept = records.outbox.find({ type: manifest.tail === null ? "batch" : "forward", epoch: round.epoch, seq });
	if (kept !== undefined) {
		const samples = kept.samples ?? [...batch.keys()];
		return yield* batchStep(training, { progress: part, model, data }, seq, pick(batch, samples), undefined);
	}
	const whole = data.batch(batch);
	const digests = await training.digests.of(data, batch, whole.x);
	using permit = await records.ledger.admit(disclosuresOf(manifest, model.welcome.smashedDtype, digests, whole.y));
	yield* leftOutEvent(permit, round);
	const samples = permit.admitted;
	if (samples.length < fewestSamples) return "left-out";
	return yield* batchStep(training, { progress: part, model, data }, seq, pick(batch, samples), permit);
}

function pick(batch: Uint32Array, positions: readonly number[]): Uint32Array {
	return Uint32Array.from(positions, (position) => batch[position] as number);
}

async function* batchStep(
	training: Training,
	{ progress: part, model, data }: TrainingRound,
	seq: number,
	indices: Uint32Array,
	release: KeptRelease | undefined,
): AsyncGenerator<DeviceEvent, Step | Unanswered> {
	const { round } = part;
	const { welcome, segment, state, perturbations } = model;
	const { manifest } = segment.artifact;
	const { x, y } = data.batch(indices);
	const inputs: Tensors = {
		...state.feeds(),
		x,
		budget: scalar(welcome.mapBudget),
		// Steps made, not batches sent, so that a batch computed again after a crash drops what it dropped before.
		dropoutSeed: dropoutSeed(deviceRandom(welcome, training.id), state.steps + 1),
		...(manifest.robustBudget > 0 && {
			delta: perturbations?.read(indices) ?? { ...x, data: new Float32Array(x.data.length) },
		}),
	};
	const { clock } = training;
	const started = clock.now();
	const { smashed, map } = await segment.run("client/forward", inputs);
	const forwardMs = clock.now() - started;
	const cut = smashed as Tensor<"float32">;
	const leaving = { part, seq, cut, y, release, smashed: await encodeSmashed(model, cut, training.noise) };
	const answered = yield* (manifest.tail === null ? sendBatch : tailStep)(training, model, leaving);
	if (typeof answered === "string") return answered;
	yield* alarm(model, answered.cutGradient, y, { epoch: round.epoch, seq });
	const resumed = clock.now();
	const outputs = await segment.run("client/train", {
		...inputs,
		...(map !== undefined && { map }),
		...(answered.features && { features: answered.features }),
		y,
		cutGradient: answered.cutGradient,
		learningRate: scalar(round.learningRate),
		headLearningRate: scalar(round.headLearningRate),
		robustBudget: scalar(welcome.robustBudget),
	});
	const busyMs = forwardMs + clock.now() - resumed;
	state.advance(outputs);
	const delta = outputs.next_delta;
	const moved = delta !== undefined && perturbations !== undefined;
	if (moved) perturbations.write(indices, delta as Tensor<"float32">);
	const losses = Object.fromEntries(manifest.streams.map((name, i) => [name, answered.losses[i] ?? Number.NaN]));
	const changes = { state, perturbations: moved ? { store: perturbations, indices } : undefined };
	return { changes, losses, localLoss: outputs.localLoss?.data[0] as number, samples: indices.length, busyMs };
}

/** Smashed data as they travel. */
async function encodeSmashed(
	{ welcome, segment }: ClientModel,
	cut: Tensor<"float32">,
	noise: Training["noise"],
): Promise<WireTensor | CodeTensor> {
	const { manifest } = segment.artifact;
	if (manifest.code === null) return encodeReal(segment, cut, welcome.smashedDtype);
	return randomised(levelIndices(cut, manifest.code), flipProbability(manifest), noise);
}

/** Sends smashed data with their labels and waits for the gradient at the cut. */
async function* sendBatch(
	training: Training,
	{ segment }: ClientModel,
	{ part, seq, cut, smashed, y, release }: LeavingBatch,
): AsyncGenerator<DeviceEvent, BatchAnswer | Unanswered> {
	const { epoch, model } = part.round;
	const labels = wireLabels(y, segment.artifact.manifest.classes.length);
	return yield* exchange(training, {
		message: { type: "batch", device: training.id, epoch, seq, model, tensors: { smashed, labels } },
		release,
		awaiting: "gradient",
		part,
		answer: async (message) => {
			if (!isGradient(message, epoch, seq)) return undefined;
			const { losses } = message;
			return { losses, cutGradient: await decodeReal(segment, message.tensors.cutGradient, cut.dims, "gradient") };
		},
	});
}

/** Tells when gradients have begun to have nothing to do with the labels; not where several labels may apply. */
function* alarm(
	{ scrutiny }: ClientModel,
	gradient: Tensor<"float32">,
	labels: Tensor<"int64">,
	batch: { readonly epoch: number; readonly seq: number },
): Generator<DeviceEvent> {
	if (labels.dims.length > 1) return;
	const verdict = scrutiny.observe(gradient, Array.from(labels.data, Number));
	if (verdict?.raised) yield { type: "suspicious-gradients", ...batch, separation: verdict.separation };
}

/** Gradients of other batches, delivered again or late, are none of this one's. */
function isGradient(message: AggregatorMessage, epoch: number, seq: number): message is GradientMessage {
	return message.type === "gradient" && message.epoch === epoch && message.seq === seq;
}
