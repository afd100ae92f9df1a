import { isMultiLabel, type Manifest } from "../artifact/index.js";
import { ArtifactError, ConnectionError, type LimitError, NumericError, PsglError, ShapeError } from "../errors.js";
import { recordDigests } from "../ledger/record-digest.js";
import {
	type CodeTensor,
	creditVersion,
	type FeaturesMessage,
	protocolLimits,
	type RefusedMessage,
	type ScoresMessage,
	type WireTensor,
} from "../protocol/index.js";
import { elementCount, type Tensor } from "../tensor.js";
import type { AggregatorLink } from "./aggregator-link.js";
import { requireFiniteOutputs, unhealthy } from "./check-health.js";
import type { ClientModel } from "./client-model.js";
import {
	applying,
	type DeployedRelease,
	decide,
	localScoresOf,
	releaseDeployed,
	scoresOfRow,
} from "./deployed-forward.js";
import { requireFiniteValues, shapeMisfit } from "./device-data.js";
import type { DeviceSettings } from "./device-options.js";
import { requireFeatures, tailScores } from "./device-tail.js";
import type { Enrolment } from "./enrolment.js";
import { leftOutError } from "./left-out.js";
import { type LocalAccuracy, localTrust } from "./local-trust.js";

/** What is in a batch of samples. */
export interface Decision {
	/** `aggregator`: all streams, fused. `local-head`: the device alone, because no answer came. */
	readonly source: "aggregator" | "local-head";
	/** [B] class index of each sample; where several labels may apply to a sample, the most likely one. */
	readonly classes: Int32Array;
	/** [B*K] row by row, 1 where a label applies, else 0; only where several may apply to a sample. */
	readonly labels?: Uint8Array | undefined;
	/** [B,K] probabilities behind the decision. */
	readonly scores: Tensor<"float32">;
	/** [B,K] probabilities of each stream, and of the decision as `fused`; of the local head alone when offline. */
	readonly streams: Readonly<Record<string, Tensor<"float32">>>;
	/** Fraction of the smashed data that reached the aggregator; below 1 masked recovery filled the rest. 0 when offline. */
	readonly arrived: number;
	/** Version of the weights. */
	readonly model: number;
	/** Of the local head, where it decided and the device has labelled samples. */
	readonly localAccuracy?: LocalAccuracy | undefined;
	/** Why nothing was sent: the disclosure ledger does not allow a release of at least one of the samples. */
	readonly withheld?: LimitError | undefined;
}

export interface InferOptions {
	/** Let the aggregator answer with what arrived when chunks are missing (masked recovery). Default true. */
	readonly allowPartial?: boolean | undefined;
	readonly signal?: AbortSignal | undefined;
}

/** What may leave for a decision. */
type Released = Omit<DeployedRelease, "permit"> & { readonly withheld: LimitError | undefined };

/** The decision's rows as they came, or as the device's tail made them from features. */
type Scored = Pick<ScoresMessage, "type" | "streams" | "arrived" | "model" | "tensors">;

type Answer = ScoresMessage | FeaturesMessage | RefusedMessage | "late";

/** Decisions of the whole system, with the local head to fall back on. */
export class Inference {
	readonly #settings: DeviceSettings;
	readonly #link: AggregatorLink;
	readonly #enrolment: Enrolment;
	readonly #waiting = new Map<number, (answer: Answer) => void>();
	/** Drawn for each process, as requests are counted anew in each; the device's own session may outlast it. */
	readonly #session: number;
	#seq = 0;

	constructor(settings: DeviceSettings, link: AggregatorLink, enrolment: Enrolment) {
		this.#settings = settings;
		this.#link = link;
		this.#enrolment = enrolment;
		this.#session = settings.random.integer(protocolLimits.maxCounter);
	}

	/** True when the message was an answer to a request, waited for or not. */
	take(message: ScoresMessage | FeaturesMessage | RefusedMessage): boolean {
		if (message.type === "refused" && message.of !== "infer") return false;
		if (message.type !== "refused" && message.session !== this.#session) return true;
		if (message.seq !== undefined) this.#waiting.get(message.seq)?.(message);
		return true;
	}

	/** @throws as `Device.infer`. */
	async decide(samples: Tensor<"float32">, { allowPartial = true, signal }: InferOptions): Promise<Decision> {
		signal?.throwIfAborted();
		const model = await this.ready(signal);
		const { manifest } = model.segment.artifact;
		const count = requireSamples(manifest, samples);
		const version = model.state.version;
		// Training may go on until the answer comes.
		const { params } = model.state.weights;
		// The aggregator has the other half of the agreed model only.
		const agreed = this.#enrolment.model === model;
		let released: Released | undefined;
		let localScores: Tensor<"float32">;
		/** A model on trial that fails gives way to the one before it, and that one decides. */
		const giveWay = async (cause: unknown): Promise<Decision> => {
			if (!this.#enrolment.onTrial || !isModelFault(cause)) throw cause;
			const failure = cause instanceof PsglError ? cause : unhealthy("it fails", `${cause}`, "decisions");
			await this.#enrolment.rollBack(failure);
			return this.decide(samples, { allowPartial, signal });
		};
		try {
			released = this.#link.online && agreed ? await this.#kept(() => this.#release(model, samples)) : undefined;
			localScores = released?.localScores ?? (await localScoresOf(model, samples));
			if (this.#enrolment.onTrial) requireFiniteOutputs({ localScores });
		} catch (cause) {
			return giveWay(cause);
		}
		await this.#kept(() => this.#enrolment.used());
		const answer = released?.smashed ? await this.#ask(model, released.smashed, allowPartial, signal) : "late";
		const size = [count, manifest.classes.length] as const;
		const several = isMultiLabel(manifest.loss);
		const scored =
			answer !== "late" && answer.type === "features" ? await byTail(model, params, answer, count) : answer;
		if (scored !== "late" && scored.type === "scores") {
			const decision = fromScores(scored, size, several);
			if (decision !== undefined) return decision;
		}
		let localAccuracy: LocalAccuracy | undefined;
		try {
			localAccuracy = await localTrust(model, this.#settings.data);
		} catch (cause) {
			return giveWay(cause);
		}
		return {
			source: "local-head",
			...(localAccuracy && { localAccuracy }),
			...(released?.withheld && { withheld: released.withheld }),
			...decided(localScores.data, size[1], several),
			scores: localScores,
			streams: { local: localScores },
			arrived: 0,
			model: version,
		};
	}

	/** What has to be kept first; undefined where the storage takes nothing at the moment: a decision does not wait for it. */
	async #kept<T>(work: () => Promise<T>): Promise<T | undefined> {
		const { store } = this.#settings;
		return store === undefined ? work() : store.unlessFailing(work);
	}

	/** Smashed data of all samples once their release is counted; of none unless all may leave. */
	async #release(model: ClientModel, x: Tensor<"float32">): Promise<Released> {
		const { ledger } = this.#enrolment.records;
		const digests = await recordDigests(x);
		const released = await releaseDeployed({ model, ledger, noise: this.#settings.noise }, { x, digests, whole: true });
		using permit = released.permit;
		const withheld = leftOutError(permit);
		if (withheld === undefined) await permit.write();
		return { ...released, withheld };
	}

	async #ask(
		model: ClientModel,
		smashed: WireTensor | CodeTensor,
		allowPartial: boolean,
		signal: AbortSignal | undefined,
	): Promise<Answer> {
		const { id, clock, inferTimeoutMs } = this.#settings;
		const { state, segment, welcome } = model;
		const artifact = welcome.protocol < creditVersion ? undefined : segment.digest;
		const seq = this.#seq++;
		const tensors = { smashed };
		const session = this.#session;
		const settled = new AbortController();
		const stop = () => settled.abort();
		signal?.addEventListener("abort", stop, { once: true });
		try {
			return await new Promise<Answer>((resolve, reject) => {
				this.#waiting.set(seq, resolve);
				const request = { type: "infer", device: id, seq, session, model: state.version, artifact } as const;
				this.#link.send({ ...request, allowPartial, tensors }).catch(reject);
				clock.sleep(inferTimeoutMs, settled.signal).then(
					() => resolve("late"),
					() => reject(signal?.reason),
				);
			});
		} finally {
			signal?.removeEventListener("abort", stop);
			this.#waiting.delete(seq);
			settled.abort();
		}
	}

	/** Waits for the artifact, and for the weights the aggregator has now, as long as for an answer: without a link only where the device has none. */
	async ready(signal: AbortSignal | undefined): Promise<ClientModel> {
		const { clock, inferTimeoutMs } = this.#settings;
		const enrolment = this.#enrolment;
		const isReady = () => enrolment.upToDate || (!this.#link.online && enrolment.deciding !== undefined);
		await enrolment.until(isReady, { clock, timeoutMs: inferTimeoutMs, signal });
		if (enrolment.deciding !== undefined) return enrolment.deciding;
		throw new ConnectionError("PSGL_DEVICE_NO_MODEL", {
			what: "the device has no model yet",
			got: enrolment.welcome === undefined ? "no answer to hello" : "no artifact",
			remedy: "Check that the aggregator runs and that the device reaches it",
		});
	}
}

/**
 * Number of samples [B, ...inputShape].
 * @throws ShapeError `PSGL_DEVICE_SHAPE`; DataError `PSGL_DEVICE_NOT_FINITE`.
 */
export function requireSamples(manifest: Manifest, samples: Tensor<"float32">): number {
	const [count = 0, ...shape] = samples.dims;
	if (shape.join() !== manifest.inputShape.join() || count < 1) throw shapeMisfit(manifest, shape);
	requireFiniteValues(samples.data, elementCount(shape), "given");
	return count;
}

/** What the device's tail decides; late when what came are no features of the request. */
async function byTail(
	model: ClientModel,
	params: Tensor<"float32">,
	answer: FeaturesMessage,
	count: number,
): Promise<Scored | "late"> {
	let features: Tensor<"float32">;
	try {
		features = requireFeatures(model, answer, count);
	} catch (error) {
		if (error instanceof ShapeError) return "late";
		throw error;
	}
	const scores = await tailScores(model, params, features);
	const streams = [...model.segment.artifact.manifest.streams, "fused"];
	return { type: "scores", streams, arrived: answer.arrived ?? 1, model: answer.model, tensors: { scores } };
}

/** Undefined when the answer does not fit the request: it is none then. */
function fromScores(
	answer: Scored,
	[count, classes]: readonly [number, number],
	several: boolean,
): Decision | undefined {
	const { streams: names, arrived, model, tensors } = answer;
	const table = tensors.scores as Tensor<"float32">;
	if (table.dims.join() !== [count, names.length, classes].join()) return undefined;
	const streams: Record<string, Tensor<"float32">> = {};
	for (const [row, name] of names.entries()) streams[name] = scoresOfRow(table, row);
	const scores = streams[names.at(-1) as string] as Tensor<"float32">;
	return { source: "aggregator", ...decided(scores.data, classes, several), scores, streams, arrived, model };
}

function decided(scores: Float32Array, classes: number, several: boolean): Pick<Decision, "classes" | "labels"> {
	return { classes: decide(scores, classes), ...(several && { labels: applying(scores) }) };
}

/** Whether an error can come from the model, and not from the store, the ledger or the link. */
function isModelFault(error: unknown): boolean {
	if (!(error instanceof PsglError)) return true;
	return error instanceof ArtifactError || error instanceof NumericError || error instanceof ShapeError;
}
