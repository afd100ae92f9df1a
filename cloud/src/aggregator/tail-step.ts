import { PsglError, ShapeError, type Tensor } from "@psgl/sdk";
import type { BackwardMessage } from "@psgl/sdk/protocol";
import type { ReadyBatch } from "./batch-intake.js";
import type { AggregatorContext } from "./context.js";
import type { Member } from "./member.js";
import { roundOver } from "./refusals.js";
import type { Entries, RecordOf } from "./run-record.js";
import type { ServerState } from "./server-segment.js";
import type { DeviceBatch } from "./step-batches.js";

/**
 * A step whose labels stay on the devices, between its halves: the devices have the features of their batches and send the
 * gradients at them. The server segment's weights are those the features were made with until it is closed.
 */
export interface OpenStep {
	readonly members: readonly Member[];
	/** One for each member. All of them make the batch statistics, whose gradient comes or not. */
	readonly batches: readonly ReadyBatch[];
}

/** What the devices whose gradients came take part in the step with. */
export interface ClosedStep {
	/** All batches, those with a gradient with theirs. */
	readonly inputs: readonly DeviceBatch[];
	/** Places in `inputs` of those that have one. */
	readonly taken: readonly number[];
	/** Where the gradients of these lie in the log. */
	readonly gradients: readonly Entries[];
}

/**
 * Computes and sends the features of a step's batches.
 * @param model version of the weights the round started from
 * @throws PsglError when they cannot be computed.
 */
export async function offerFeatures(
	context: AggregatorContext,
	{ members, batches }: OpenStep,
	{ state, model }: { readonly state: ServerState; readonly model: number },
): Promise<void> {
	const features = await context.server.features(state, batches);
	const [{ identity }] = batches as readonly [ReadyBatch];
	const logged = batches.map((batch) => ({ ...batch.identity, entries: batch.entries }));
	// Whose batches go together decides the features: a restart has to do it again.
	await context.history.append({ type: "features", epoch: identity.epoch, batches: logged });
	sendFeatures(context, { members, batches }, model, features);
}

/** Sends the devices what the streams made of their batches; their gradients are awaited from then on. */
function sendFeatures(
	{ intake }: AggregatorContext,
	{ members, batches }: OpenStep,
	model: number,
	features: readonly Tensor<"float32">[],
): void {
	for (const [i, batch] of batches.entries()) {
		(members[i] as Member).open = batch;
		const tensors = { features: features[i] as Tensor<"float32"> };
		intake.replyFeatures({ type: "features", task: "train", ...batch.identity, model, tensors });
	}
}

/** Waits for the gradients until the time of a step is over; a device that stays away longer is out of this leg. */
export async function awaitGradients(
	context: AggregatorContext,
	{ members, batches }: OpenStep,
	round: number,
): Promise<ClosedStep | undefined> {
	const { changed, clock, settings, stopping, intake, emit } = context;
	const deadline = clock.now() + settings.stepTimeoutMs;
	const missing = () => members.filter((m, i) => m.open === batches[i] && m.gradient === undefined && !m.isDone);
	while (missing().length > 0 && !stopping.aborted) if (!(await changed.wait(deadline))) break;
	if (stopping.aborted) return undefined;
	const taken: number[] = [];
	const gradients: Entries[] = [];
	const inputs = batches.map((batch, i): DeviceBatch => {
		const member = members[i] as Member;
		const { open, gradient } = member;
		if (open !== batch) return batch;
		member.open = undefined;
		member.gradient = undefined;
		if (gradient !== undefined) {
			taken.push(i);
			gradients.push(gradient.entries);
			return { smashed: batch.smashed, featureGradient: gradient.featureGradient };
		}
		if (!member.isDone) {
			member.leftBehind = true;
			emit({ type: "left-behind", round, device: member.device.id });
		}
		intake.refuse(batch.identity, roundOver(batch.identity.epoch));
		return { smashed: batch.smashed };
	});
	return { inputs, taken, gradients };
}

/** A step that the log tells of is open again: the devices may ask for their features, and their gradients are awaited. */
export async function openAgain(
	context: AggregatorContext,
	step: OpenStep,
	{ state, model }: { readonly state: ServerState; readonly model: number },
): Promise<void> {
	sendFeatures(context, step, model, await context.server.features(state, step.batches));
}

/** What a step was made with, out of the log. */
export async function inputsAgain(
	{ history }: AggregatorContext,
	{ members, batches }: OpenStep,
	{ batches: logged }: RecordOf<"step">,
): Promise<readonly DeviceBatch[]> {
	const inputs: DeviceBatch[] = [];
	for (const [i, { smashed, identity }] of batches.entries()) {
		(members[i] as Member).open = undefined;
		const gradient = logged.find(({ device }) => device === identity.device)?.gradient;
		const message = gradient && (await history.message("backward", identity.device, gradient));
		inputs.push({ smashed, featureGradient: message?.tensors.featureGradient as Tensor<"float32"> | undefined });
	}
	return inputs;
}

/** Keeps the gradient that came for a member's open batch, unless it has one; a batch whose gradient cannot be used is refused. */
export function takeGradient(
	context: AggregatorContext,
	member: Member,
	message: BackwardMessage,
	entries: Entries,
): void {
	const { open } = member;
	if (open === undefined || member.gradient !== undefined) return;
	try {
		member.gradient = { featureGradient: readGradient(context, open, message), entries };
	} catch (error) {
		if (!(error instanceof PsglError)) throw error;
		member.open = undefined;
		context.intake.refuse(open.identity, error);
	}
	context.changed.notify();
}

/** The gradient in a message. @throws ShapeError `PSGL_BATCH_SHAPE`. */
function readGradient(
	{ manifest }: AggregatorContext,
	{ smashed }: ReadyBatch,
	{ tensors }: BackwardMessage,
): Tensor<"float32"> {
	const { featureGradient } = tensors;
	const expected = [smashed.dims[0], manifest.streams.length, manifest.tail?.features];
	if (featureGradient.dtype === "float32" && featureGradient.dims.join() === expected.join()) {
		return featureGradient as Tensor<"float32">;
	}
	throw new ShapeError("PSGL_BATCH_SHAPE", {
		what: "a gradient does not fit the features it is of",
		got: `${featureGradient.dtype} [${featureGradient.dims.join(",")}]`,
		expected: `float32 [${expected.join(",")}]`,
		remedy: "Check that aggregator and device use the same artifact",
	});
}
