import { flipProbability } from "../artifact/index.js";
import { disclosuresOf } from "../ledger/disclosure-cost.js";
import type { Tensors } from "../ports/runtime.js";
import type { AggregatorMessage, CodeTensor, GradientMessage, RoundMessage, WireTensor } from "../protocol/index.js";
import type { Dataset } from "../sources/dataset.js";
import { scalar, type Tensor } from "../tensor.js";
import { type ClientModel, deviceRandom } from "./client-model.js";
import type { ForwardPass } from "./client-segment.js";
import { levelIndices, randomised } from "./code-wire.js";
import type { DeviceEvent } from "./device-event.js";
import type { DeviceChanges } from "./device-records.js";
import { dropoutSeed } from "./dropout-seed.js";
import { type AwaitedAnswer, awaitAnswer, type Training, type Unanswered } from "./exchange.js";
import { leftOutEvent } from "./left-out.js";
import type { KeptMessage, KeptRelease, OutboxEntry } from "./outbox.js";
import type { RoundProgress } from "./round-progress.js";
import { type BatchAnswer, tailStep } from "./tail-step.js";
import { decodeReal, encodeReal, wireLabels } from "./wire-codec.js";

/** The device's part of one round. */
export interface TrainingRound {
	readonly progress: RoundProgress;
	readonly model: ClientModel;
	readonly data: Dataset;
}

/** A batch whose smashed data are made and kept, and which has no answer yet. */
export interface TrainingBatch {
	readonly seq: number;
	/** Its place among the batches of the round; after `seq` where batches before it were left out. */
	readonly place: number;
	readonly entry: OutboxEntry;
	/** Its samples. */
	readonly indices: Uint32Array;
	/** What the forward pass computed; undefined of a batch kept before a restart, whose map was made with weights that are gone. */
	readonly pass?: ForwardPass;
	/** What the client segment takes besides the weights. */
	readonly inputs: Tensors & { readonly x: Tensor<"float32"> };
	readonly labels: Tensor<"int64">;
	/** Milliseconds of computing so far. */
	readonly busyMs: number;
	/** Whether its message left in this process. */
	sent: boolean;
}

/** Which batch is to be made. */
export interface NextBatch {
	readonly seq: number;
	readonly place: number;
	/** Its samples, before any are left out. */
	readonly samples: Uint32Array;
	/** Batches in flight before it. */
	readonly ahead: number;
}

/** Batch normalisation needs the spread of at least two samples. */
const fewestSamples = 2;

/**
 * Makes one batch: what of it may leave, the client segment forward, the message kept. A batch that was kept before is as it was then.
 * @throws LimitError `PSGL_OUTBOX_FULL`; DataError `PSGL_STORE_WRITE`.
 */
export async function* prepareBatch(
	training: Training,
	round: TrainingRound,
	next: NextBatch,
): AsyncGenerator<DeviceEvent, TrainingBatch | "left-out"> {
	const { model, data } = round;
	const { records } = training.enrolment;
	// A message that was kept was counted; it holds what was allowed then.
	const { manifest } = model.segment.artifact;
	const type = manifest.tail === null ? "batch" : "forward";
	const kept = records.outbox.find({ type, epoch: round.progress.round.epoch, seq: next.seq });
	if (kept !== undefined) {
		const samples = kept.samples ?? [...next.samples.keys()];
		return forward(training, round, next, pick(next.samples, samples), kept);
	}
	const whole = data.batch(next.samples, model.segment.spare);
	const digests = await training.digests.of(data, next.samples, whole.x);
	using permit = await records.ledger.admit(disclosuresOf(manifest, model.welcome.smashedDtype, digests, whole.y));
	yield* leftOutEvent(permit, round.progress.round);
	if (permit.admitted.length < fewestSamples) return "left-out";
	const isWhole = permit.admitted.length === next.samples.length;
	const drawn = isWhole ? whole : undefined;
	return await forward(training, round, next, pick(next.samples, permit.admitted), permit, drawn);
}

function pick(batch: Uint32Array, positions: readonly number[]): Uint32Array {
	return Uint32Array.from(positions, (position) => batch[position] as number);
}

async function forward(
	training: Training,
	{ progress: { round }, model, data }: TrainingRound,
	{ seq, place, ahead }: NextBatch,
	indices: Uint32Array,
	origin: KeptRelease | OutboxEntry,
	{ x, y } = data.batch(indices),
): Promise<TrainingBatch> {
	const { welcome, segment, state, perturbations } = model;
	const { manifest } = segment.artifact;
	const { clock, id } = training;
	const inputs = {
		x,
		budget: scalar(welcome.mapBudget),
		// Steps made when it is its turn, not batches sent, so that a batch computed again after a crash drops what it dropped before.
		dropoutSeed: dropoutSeed(deviceRandom(welcome, id), state.steps + 1 + ahead),
		...(manifest.robustBudget > 0 && {
			delta: perturbations?.read(indices) ?? { ...x, data: new Float32Array(x.data.length) },
		}),
	};
	const batch = { seq, place, indices, labels: y, sent: false };
	// Its map was made with weights that are gone.
	if ("message" in origin && origin.map !== undefined) {
		return { ...batch, entry: origin, inputs: { ...inputs, map: origin.map }, busyMs: 0 };
	}
	const started = clock.now();
	const pass = await segment.forward({ ...state.feeds(), ...inputs }, ahead === 0);
	const { smashed, map } = pass;
	const busyMs = clock.now() - started;
	const all = { ...inputs, ...(map !== undefined && { map }) };
	if ("message" in origin) return { ...batch, entry: origin, pass, inputs: all, busyMs };
	// With one batch in flight, the weights it was made with are there until it has its answer. A map that goes back with its pass is copied.
	const lasting = pass.activations === undefined ? map : map && { ...map, data: map.data.slice() };
	const made = (welcome.window ?? 1) > 1 ? { place, map: lasting } : undefined;
	try {
		const message = await messageOf(training, model, { round, seq, smashed, labels: y });
		const entry = await training.enrolment.records.outbox.keep(message, origin, made);
		return { ...batch, entry, pass, inputs: all, busyMs };
	} catch (error) {
		pass[Symbol.dispose]();
		throw error;
	}
}

/** What leaves of a batch. */
async function messageOf(
	{ id, noise }: Training,
	model: ClientModel,
	batch: {
		readonly round: RoundMessage;
		readonly seq: number;
		readonly smashed: Tensor<"float32">;
		readonly labels: Tensor<"int64">;
	},
): Promise<KeptMessage> {
	const { manifest } = model.segment.artifact;
	const { epoch, model: version } = batch.round;
	const identity = { device: id, epoch, seq: batch.seq, model: version } as const;
	const smashed = await encodeSmashed(model, batch.smashed, noise);
	if (manifest.tail !== null) {
		return { type: "forward", task: "train", ...identity, tensors: { smashed: smashed as WireTensor } };
	}
	return {
		type: "batch",
		...identity,
		tensors: { smashed, labels: wireLabels(batch.labels, manifest.classes.length) },
	};
}

/** What waiting for an answer depends on. */
export interface AwaitedBatch extends Pick<AwaitedAnswer<unknown>, "part" | "isOther" | "onMessage"> {
	readonly batch: TrainingBatch;
}

/** The gradient at the cut for a batch, with what else came. @throws as `awaitAnswer`. */
export async function* answerTo(
	training: Training,
	model: ClientModel,
	{ batch, ...awaited }: AwaitedBatch,
): AsyncGenerator<DeviceEvent, BatchAnswer | Unanswered> {
	const { entry, sent, seq, labels } = batch;
	const { segment } = model;
	const { smashedShape, tail } = segment.artifact.manifest;
	const shape = [batch.indices.length, ...smashedShape];
	const { epoch } = entry.message;
	if (tail !== null) return yield* tailStep(training, model, { ...awaited, entry, sent, seq, shape, labels });
	return yield* awaitAnswer(training, {
		...awaited,
		entry,
		sent,
		awaiting: "gradient",
		answer: async (message) => {
			if (!isGradient(message, epoch, seq)) return undefined;
			const { losses } = message;
			return { losses, cutGradient: await decodeReal(segment, message.tensors.cutGradient, shape, "gradient") };
		},
	});
}

/** What one step of training changed and showed. */
export interface Step {
	/** To be kept. */
	readonly changes: DeviceChanges;
	readonly losses: Readonly<Record<string, number>>;
	readonly localLoss: number;
	readonly samples: number;
	/** Milliseconds of computing. */
	readonly busyMs: number;
}

/** One optimiser step: takes the gradient at the cut back through the client segment as it is now. */
export async function* trainOn(
	training: Training,
	{ progress: { round }, model }: TrainingRound,
	{ seq, indices, inputs, labels, busyMs, pass }: TrainingBatch,
	{ cutGradient, losses: told, features }: BatchAnswer,
): AsyncGenerator<DeviceEvent, Step> {
	const { welcome, segment, state, perturbations } = model;
	const { clock } = training;
	yield* alarm(model, cutGradient, labels, { epoch: round.epoch, seq });
	const started = clock.now();
	const feeds = {
		...state.feeds(),
		...inputs,
		...(features && { features }),
		y: labels,
		cutGradient,
		learningRate: scalar(round.learningRate),
		headLearningRate: scalar(round.headLearningRate),
		robustBudget: scalar(welcome.robustBudget),
	};
	const outputs = await segment.train(feeds, pass);
	pass?.[Symbol.dispose]();
	segment.spare.give(cutGradient);
	segment.spare.give(inputs.x);
	const computedMs = busyMs + clock.now() - started;
	state.advance(outputs);
	const delta = outputs.next_delta;
	const moved = delta !== undefined && perturbations !== undefined;
	if (moved) perturbations.write(indices, delta as Tensor<"float32">);
	const { streams } = segment.artifact.manifest;
	const losses = Object.fromEntries(streams.map((name, i) => [name, told[i] ?? Number.NaN]));
	const changes = { state, perturbations: moved ? { store: perturbations, indices } : undefined };
	const localLoss = outputs.localLoss?.data[0] as number;
	return { changes, losses, localLoss, samples: indices.length, busyMs: computedMs };
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
