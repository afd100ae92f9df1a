import {
	clearVanished,
	dropoutSeed,
	type Random,
	type Runtime,
	type Session,
	scalar,
	type Tensor,
	type Tensors,
	zeros,
} from "@psgl/sdk";
import { type Artifact, artifactGraph, artifactTensor, type Manifest, optimiserStateLength } from "@psgl/sdk/artifact";
import type { Dataset } from "@psgl/sdk/sources";
import { equalClassWeights } from "../compile/server-streams.js";

type Vector = Tensor<"float32">;

/** All that training changes. */
interface State {
	params: Vector;
	stats: Vector;
	slots: Vector;
	head: Vector;
	headSlots: Vector;
	serverParams: Vector;
	serverStats: Vector;
	serverSlots: Vector;
	step: number;
}

export interface JointTrainerOptions {
	readonly runtime: Runtime;
	readonly threads?: number;
	readonly random: Random;
	/** [K] weight of each class, or positive weight of each label, in the loss; all 1 when left out. */
	readonly classWeights?: Vector;
	/** What a device makes of the gradient at the cut before it goes on: a defence that trains the client segment for more than the task. */
	readonly atCut?: (step: AtCut) => Promise<Vector>;
}

/** What a device has in hand at the cut. */
export interface AtCut {
	/** [B, ...shape] */
	readonly x: Vector;
	/** [B,Cs,...] */
	readonly smashed: Vector;
	/** As it came back, the shape of `smashed`. */
	readonly cutGradient: Vector;
}

export interface StepResult {
	/** Loss of each stream. */
	readonly losses: Float32Array;
	readonly localLoss: number;
	/** What goes back to the device, [B,Cs,...]. */
	readonly cutGradient: Vector;
}

/**
 * Trains both halves of an artifact in one process, with the very graphs a device and the aggregator
 * run: split learning without the link. For ablations and for checking the split run.
 */
export class JointTrainer implements AsyncDisposable {
	readonly #manifest: Manifest;
	readonly #forward: Session;
	readonly #clientTrain: Session;
	readonly #serverTrain: Session;
	readonly #classWeights: Vector;
	readonly #random: Random;
	readonly #atCut: JointTrainerOptions["atCut"];
	readonly #state: State;
	/** Server vectors of the step before, which nobody else holds: the next step writes over them. */
	#spare: Record<string, Vector> = {};
	/** What the forward pass of the step before computed, which nobody else holds either. */
	#forwardPass: Tensors = {};
	/** Somebody else holds the vectors of the state: the artifact, or who asked for the weights. */
	#isLent = true;
	/** Robust perturbation of every training sample, [N, ...shape]. */
	#delta: Float32Array | undefined;

	private constructor(
		artifact: Artifact,
		sessions: readonly [Session, Session, Session],
		options: JointTrainerOptions,
	) {
		const { manifest } = artifact;
		[this.#forward, this.#clientTrain, this.#serverTrain] = sessions;
		this.#manifest = manifest;
		this.#random = options.random;
		this.#atCut = options.atCut;
		this.#classWeights = options.classWeights ?? equalClassWeights(manifest.classes.length);
		const slots = (part: "client" | "head" | "server"): Vector =>
			zeros("float32", [optimiserStateLength(manifest, part)]);
		this.#state = {
			params: artifactTensor(artifact, "client/params"),
			stats: artifactTensor(artifact, "client/stats"),
			slots: slots("client"),
			head: artifactTensor(artifact, "client/head"),
			headSlots: slots("head"),
			serverParams: artifactTensor(artifact, "server/params"),
			serverStats: artifactTensor(artifact, "server/stats"),
			serverSlots: slots("server"),
			step: 0,
		};
	}

	static async create(artifact: Artifact, options: JointTrainerOptions): Promise<JointTrainer> {
		const load = (name: string) =>
			options.runtime.load(artifactGraph(artifact, name), { threads: options.threads ?? 1 });
		return new JointTrainer(
			artifact,
			[await load("client/forward"), await load("client/train"), await load("server/train")],
			options,
		);
	}

	/** Trained weights by the names they have in an artifact. */
	weights(): ReadonlyMap<string, Vector> {
		const s = this.#state;
		this.#isLent = true;
		return new Map([
			["client/params", s.params],
			["client/stats", s.stats],
			["client/head", s.head],
			["server/params", s.serverParams],
			["server/stats", s.serverStats],
		]);
	}

	/** One training step on the samples at `indices`. */
	async step(data: Dataset, indices: ArrayLike<number>, learningRate: number): Promise<StepResult> {
		const { x, y } = data.batch(indices);
		const s = this.#state;
		s.step += 1;
		const step = scalar(s.step);
		const delta = this.#deltaOf(data, x, indices);
		const seed = dropoutSeed(this.#random, s.step);
		const client = { x, delta, params: s.params, stats: s.stats, head: s.head, dropoutSeed: seed };
		const budget = scalar(this.#manifest.map?.budget ?? 0);
		const forward = await this.#forward.run({ ...client, budget }, undefined, this.#memoryFor(indices.length));
		const server = await this.#serverTrain.run(
			{
				smashed: forward.smashed as Tensor,
				y,
				params: s.serverParams,
				stats: s.serverStats,
				slots: s.serverSlots,
				learningRate: scalar(learningRate),
				step,
				classWeights: this.#classWeights,
			},
			undefined,
			this.#spare,
		);
		const cutGradient = server.cutGradient as Vector;
		this.#forwardPass = forward;
		const next = await this.#clientTrain.run({
			...client,
			...forward,
			y,
			cutGradient: (await this.#atCut?.({ x, smashed: forward.smashed as Vector, cutGradient })) ?? cutGradient,
			slots: s.slots,
			headSlots: s.headSlots,
			learningRate: scalar(learningRate),
			headLearningRate: scalar(learningRate * this.#manifest.headLearningRateFactor),
			step,
			robustBudget: scalar(this.#manifest.robustBudget),
		});
		s.params = next.next_params as Vector;
		s.stats = next.next_stats as Vector;
		s.slots = next.next_slots as Vector;
		s.head = next.next_head as Vector;
		s.headSlots = next.next_headSlots as Vector;
		this.#spare = this.#isLent ? {} : { next_params: s.serverParams, next_slots: s.serverSlots };
		this.#isLent = false;
		s.serverParams = server.next_params as Vector;
		s.serverStats = server.next_stats as Vector;
		s.serverSlots = server.next_slots as Vector;
		for (const { data } of [s.slots, s.headSlots, s.serverSlots]) clearVanished(data, s.step);
		this.#keepDelta(next.next_delta as Vector | undefined, indices);
		const localLoss = next.localLoss as Vector;
		return {
			losses: (server.losses as Vector).data,
			localLoss: localLoss.data[0] as number,
			cutGradient,
		};
	}

	/** Samples in random order, in batches of `batchSize`; a last batch of one sample is left out, which batch statistics cannot use. */
	async epoch(
		data: Dataset,
		epoch: number,
		batchSize: number,
		learningRate: (batch: number) => number,
	): Promise<number> {
		const order = this.#random.fork(`epoch ${epoch}`).permutation(data.length);
		let sum = 0;
		let steps = 0;
		for (let start = 0; start + 1 < order.length; start += batchSize) {
			const { losses } = await this.step(data, order.subarray(start, start + batchSize), learningRate(steps));
			sum += losses.at(-1) as number;
			steps += 1;
		}
		return sum / steps;
	}

	/** For the results of a forward pass over so many samples. */
	#memoryFor(samples: number): Tensors {
		return this.#forwardPass.smashed?.dims[0] === samples ? this.#forwardPass : {};
	}

	async close(): Promise<void> {
		await Promise.all([this.#forward.close(), this.#clientTrain.close(), this.#serverTrain.close()]);
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}

	#deltaOf(data: Dataset, x: Vector, indices: ArrayLike<number>): Vector {
		const budget = this.#manifest.robustBudget;
		const delta = zeros("float32", x.dims);
		if (budget === 0) return delta;
		const size = x.data.length / indices.length;
		if (this.#delta === undefined) {
			const draws = this.#random.fork("robust perturbation");
			this.#delta = Float32Array.from({ length: data.length * size }, () => (2 * draws.uniform() - 1) * budget);
		}
		for (let b = 0; b < indices.length; b++) {
			const from = (indices[b] as number) * size;
			delta.data.set(this.#delta.subarray(from, from + size), b * size);
		}
		return delta;
	}

	#keepDelta(next: Vector | undefined, indices: ArrayLike<number>): void {
		if (next === undefined || this.#delta === undefined) return;
		const size = next.data.length / indices.length;
		for (let b = 0; b < indices.length; b++) {
			this.#delta.set(next.data.subarray(b * size, (b + 1) * size), (indices[b] as number) * size);
		}
	}
}
