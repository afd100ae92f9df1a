import {
	clearVanished,
	NumericError,
	type Runtime,
	type Session,
	ShapeError,
	SpareTensors,
	scalar,
	type Tensor,
	type Tensors,
	zeros,
} from "@psgl/sdk";
import {
	type Artifact,
	artifactGraph,
	artifactTensor,
	levelShrink,
	type Manifest,
	optimiserStateLength,
} from "@psgl/sdk/artifact";
import {
	type CodeTensor,
	graphValues,
	type LabelTensor,
	mayOverflow,
	requireFinite,
	type WireDType,
	type WireTensor,
} from "@psgl/sdk/protocol";
import { cloudLimits } from "../limits.js";
import { concatenateBatches, scaled, splitRows } from "./batch-tensors.js";
import { graphLabels } from "./graph-labels.js";
import { type DeviceBatch, type DeviceResult, splitStep, stepTargets } from "./step-batches.js";

type Vector = Tensor<"float32">;

/** Weights of a server segment as they are used for decisions. */
export interface ServerWeights {
	/** [P] */
	readonly params: Vector;
	/** [Q] running statistics. */
	readonly stats: Vector;
}

/** All that training changes in a server segment. Vectors are replaced, not written into, unless given up as spare. */
export interface ServerState extends ServerWeights {
	/** Optimiser state, a multiple of [P]. */
	readonly slots: Vector;
	/** Optimiser steps made. */
	readonly step: number;
}

export interface TrainResult {
	readonly next: ServerState;
	readonly parts: readonly DeviceResult[];
	/** [B,Cs,...] of all batches together: memory of the parts. */
	readonly cutGradient: Vector;
	/** Loss of the step: each stream's; none where the labels stay on the devices. */
	readonly losses: readonly number[];
}

/** Linear-Gaussian prior of complete smashed data, for masked recovery. */
export interface Prior {
	/** [D] */
	readonly mean: Vector;
	/** [D,r] */
	readonly basis: Vector;
	/** [] */
	readonly variance: Vector;
}

/** The server's graphs of an artifact, compiled. Weights are inputs, so it serves any number of states. */
export class ServerSegment {
	readonly manifest: Manifest;
	readonly #sessions: ReadonlyMap<string, Session>;
	readonly #classWeights: Vector;
	/** Smashed data, gradients and what travelled of them that were given up. */
	readonly spare = new SpareTensors();

	private constructor(manifest: Manifest, sessions: ReadonlyMap<string, Session>, classWeights: readonly number[]) {
		this.manifest = manifest;
		this.#sessions = sessions;
		this.#classWeights = { dtype: "float32", dims: [classWeights.length], data: Float32Array.from(classWeights) };
	}

	/** @throws ArtifactError `PSGL_ARTIFACT_MEMBER`, `PSGL_RUNTIME_LOAD`. */
	static async load(
		artifact: Artifact,
		runtime: Runtime,
		options: {
			readonly threads: number;
			readonly classWeights: readonly number[];
			readonly dtypes: readonly WireDType[];
			/** Whether steps and decisions are computed beside what else this process does. Default false. */
			readonly aside?: boolean | undefined;
		},
	): Promise<ServerSegment> {
		const names = ["server/train", "server/infer"];
		if (artifact.graphs.has("server/infer-masked")) names.push("server/infer-masked");
		if (artifact.manifest.code !== null) names.push("wire/decode.code");
		if (artifact.manifest.tail !== null) names.push("server/features");
		for (const dtype of new Set(options.dtypes)) {
			if (dtype !== "float32") names.push(`wire/encode.${dtype}`, `wire/decode.${dtype}`);
		}
		const sessions = new Map<string, Session>();
		for (const name of names) {
			// What goes to and from the wire is done sooner than handed over.
			const aside = options.aside === true && name.startsWith("server/");
			sessions.set(name, await runtime.load(artifactGraph(artifact, name), { threads: options.threads, aside }));
		}
		return new ServerSegment(artifact.manifest, sessions, options.classWeights);
	}

	/** Whether smashed data with missing parts can be decided on, given a prior. */
	get fillsMissing(): boolean {
		return this.#sessions.has("server/infer-masked");
	}

	/**
	 * One optimiser step on the batches of one or more devices, concatenated. `state` stays as it is.
	 * @param spare a state nobody needs any more, whose vectors the next one may be written over: memory of many megabytes
	 * that is new costs more than the step's arithmetic on it
	 */
	async train(
		state: ServerState,
		batches: readonly DeviceBatch[],
		learningRate: number,
		spare?: ServerState,
	): Promise<TrainResult> {
		const smashed = concatenateBatches(batches.map((b) => b.smashed));
		const feeds = {
			smashed,
			...stepTargets(this.manifest, batches, this.#classWeights),
			params: state.params,
			stats: state.stats,
			slots: state.slots,
			learningRate: scalar(learningRate),
			// Counted from 1, as Adam's bias correction needs it (Kingma and Ba, ICLR 2015, algorithm 1).
			step: scalar(state.step + 1),
		};
		const cut = this.spare.take("float32", smashed.dims);
		const out = await this.#run("server/train", feeds, {
			...(spare && { next_params: spare.params, next_slots: spare.slots }),
			...(cut && { cutGradient: cut }),
		});
		const next: ServerState = {
			params: out.next_params as Vector,
			stats: out.next_stats as Vector,
			slots: out.next_slots as Vector,
			step: state.step + 1,
		};
		const cutGradient = out.cutGradient as Vector;
		const losses = Array.from((out.losses as Vector | undefined)?.data ?? []);
		try {
			// A sum that is finite is of finite numbers; the sum of large ones may not be.
			if (!Number.isFinite(out.total?.data[0])) {
				requireFinite(cutGradient, "the gradient at the cut");
				requireFinite(next.params, "a parameter after the step");
				requireFinite(next.stats, "a running statistic after the step");
			}
			if (!losses.every(Number.isFinite)) requireFinite(out.losses as Vector, "the loss");
		} catch (cause) {
			throw new NumericError("PSGL_AGGREGATOR_DIVERGED", {
				what: "a training step diverged and was taken back",
				got: (cause as Error).message,
				remedy: "Lower the learning rate, and check that the inputs lie in [0, 1]",
				cause,
			});
		}
		clearVanished(next.slots.data, next.step);
		const parts = splitStep(this.manifest, batches, cutGradient, out.scores as Vector | undefined);
		return { next, losses, parts, cutGradient };
	}

	/**
	 * What the streams make of the batches of one or more devices in training, [B,streams,F] for each: the first half of a step whose labels
	 * stay on the devices. `train` with the same state and batches, and the gradients that came back, is the other half.
	 */
	async features(state: ServerState, batches: readonly DeviceBatch[]): Promise<readonly Vector[]> {
		const smashed = concatenateBatches(batches.map((b) => b.smashed));
		const { params, stats } = state;
		const out = await this.#run("server/features", { smashed, params, stats, step: scalar(state.step + 1) });
		const features = out.features as Vector;
		requireFinite(features, "a feature");
		return splitRows(
			features,
			batches.map((b) => b.smashed.dims[0] as number),
		);
	}

	/** Probabilities [B,streams+1,K], the last row is the decision; features [B,streams,F] for the device's tail where it has one. */
	async score(weights: ServerWeights, smashed: Vector): Promise<Vector> {
		const { params, stats } = weights;
		const { scores, features } = await this.#run("server/infer", { smashed, params, stats });
		return (scores ?? features) as Vector;
	}

	/** As `score`, after the values where `mask` is 0 were filled in under the prior. */
	async scoreMasked(weights: ServerWeights, smashed: Vector, mask: Vector, prior: Prior): Promise<Vector> {
		const { params, stats } = weights;
		const { mean: priorMean, basis: priorBasis, variance: priorVariance } = prior;
		const feeds = { smashed, mask, params, stats, priorMean, priorBasis, priorVariance };
		const { scores, features } = await this.#run("server/infer-masked", feeds);
		return (scores ?? features) as Vector;
	}

	/**
	 * Reads smashed data that travelled: real numbers, or the levels of a code. Of a code whose bits were turned over by chance,
	 * levels are such that their mean over that chance is the level before it.
	 * @throws ShapeError `PSGL_BATCH_SHAPE`, `PSGL_BATCH_CODE`; NumericError `PSGL_PROTOCOL_NOT_FINITE` when the scale makes them infinite.
	 */
	async decode(wire: WireTensor | CodeTensor): Promise<Vector> {
		const [samples = 0, ...shape] = wire.dims;
		const expected = this.manifest.smashedShape;
		if (shape.join() !== expected.join() || samples > cloudLimits.maxBatchSize) {
			throw new ShapeError("PSGL_BATCH_SHAPE", {
				what: "smashed data do not fit the model",
				got: `[${wire.dims.join(",")}]`,
				expected: `[B,${expected.join(",")}] with B at most ${cloudLimits.maxBatchSize}`,
				remedy: "Check that aggregator and device use the same artifact",
			});
		}
		this.#requireKind(wire);
		if ("bits" in wire) {
			const { levels } = await this.#run("wire/decode.code", { code: wire });
			const shrink = levelShrink(this.manifest);
			return shrink === 1
				? (levels as Vector)
				: { ...(levels as Vector), data: scaled((levels as Vector).data, 1 / shrink) };
		}
		if (wire.dtype === "float32") return wire as Vector;
		const feeds = { quantised: graphValues(wire), scale: wire.scale as Vector };
		const spare = this.spare.take("float32", wire.dims);
		const { values } = await this.#run(`wire/decode.${wire.dtype}`, feeds, spare && { values: spare });
		if (mayOverflow(wire)) requireFinite(values as Vector, "smashed");
		return values as Vector;
	}

	/**
	 * Labels as the graphs take them: class indices [B], or marks 0 and 1 [B,K] where several labels may apply to a sample.
	 * @throws ShapeError `PSGL_BATCH_LABEL` when they are of the other kind, or one is no class of the model, or no mark.
	 */
	labels(wire: LabelTensor): Tensor<"int64"> {
		return graphLabels(wire, this.manifest);
	}

	/** Puts values [B,C,...] into an element type for the wire. */
	async encode(values: Vector, dtype: WireDType): Promise<WireTensor> {
		if (dtype === "float32") return values;
		const spare = this.spare.take(dtype === "float16" ? dtype : "int8", values.dims);
		const { quantised, scale } = await this.#run(`wire/encode.${dtype}`, { values }, spare && { quantised: spare });
		return { ...(quantised as Tensor<"float16" | "int8">), dtype, scale: scale as Vector };
	}

	#requireKind(wire: WireTensor | CodeTensor): void {
		const { code } = this.manifest;
		const bits = "bits" in wire ? wire.bits : undefined;
		if (bits === code?.bits) return;
		throw new ShapeError("PSGL_BATCH_CODE", {
			what: "smashed data are not of the model's kind",
			got: bits === undefined ? wire.dtype : `a code of ${bits} bits a number`,
			expected: code === null ? "real numbers" : `a code of ${code.bits} bits a number`,
			remedy: "Check that aggregator and device use the same artifact",
		});
	}

	async close(): Promise<void> {
		await Promise.all([...this.#sessions.values()].map((session) => session.close()));
	}

	async #run(name: string, feeds: Tensors, into?: Tensors): Promise<Record<string, Tensor>> {
		const session = this.#sessions.get(name);
		if (session === undefined) {
			throw new ShapeError("PSGL_AGGREGATOR_DTYPE", {
				what: "values travelled in an element type that was not agreed",
				got: name,
				expected: [...this.#sessions.keys()].join(", "),
				remedy: "Use the element types that welcome names",
			});
		}
		return session.run(feeds, undefined, into);
	}
}

/** The state an artifact's server segment starts from. */
export function initialServerState(artifact: Artifact): ServerState {
	return {
		params: artifactTensor(artifact, "server/params"),
		stats: artifactTensor(artifact, "server/stats"),
		slots: zeros("float32", [optimiserStateLength(artifact.manifest, "server")]),
		step: 0,
	};
}
