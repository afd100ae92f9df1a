import { type Runtime, type Session, scalar, type Tensor, type Tensors, zeros } from "@psgl/sdk";
import { type Artifact, artifactGraph, artifactTensor, optimiserStateLength } from "@psgl/sdk/artifact";

type Real = Tensor<"float32">;

/** A batch on its way through a client segment. */
export interface ClientBatch {
	/** [B,Cs,...] */
	readonly smashed: Real;
	/** Takes the gradient at the cut back and makes one step of the segment's optimiser. */
	learn(cutGradient: Real, learningRate: number): Promise<void>;
}

/**
 * A client segment in training by the very graphs a device runs, its robust perturbation left away. What comes back at the
 * cut is up to who plays the aggregator.
 */
export class TrainingClient implements AsyncDisposable {
	readonly #artifact: Artifact;
	readonly #forward: Session;
	readonly #train: Session;
	#state: Tensors;
	#steps = 0;

	private constructor(artifact: Artifact, forward: Session, train: Session, params: Tensor) {
		this.#artifact = artifact;
		this.#forward = forward;
		this.#train = train;
		const slots = (part: "client" | "head") => zeros("float32", [optimiserStateLength(artifact.manifest, part)]);
		this.#state = {
			params,
			stats: artifactTensor(artifact, "client/stats"),
			head: artifactTensor(artifact, "client/head"),
			slots: slots("client"),
			headSlots: slots("head"),
		};
	}

	/** @param params to start from; default: the artifact's own */
	static async load(
		artifact: Artifact,
		{ runtime, threads, params }: { readonly runtime: Runtime; readonly threads: number; readonly params?: Tensor },
	): Promise<TrainingClient> {
		const load = (name: string) => runtime.load(artifactGraph(artifact, name), { threads });
		const own = params ?? artifactTensor(artifact, "client/params");
		return new TrainingClient(artifact, await load("client/forward"), await load("client/train"), own);
	}

	/** Samples x [B, ...inputShape] with their classes y [B] through the segment, map on. */
	async forward(x: Real, y: Tensor<"int64">): Promise<ClientBatch> {
		const { manifest } = this.#artifact;
		this.#steps += 1;
		const steps = this.#steps;
		const inputs: Tensors = {
			x,
			delta: zeros("float32", x.dims),
			budget: scalar(manifest.map?.budget ?? 0),
			dropoutSeed: { dtype: "int64", dims: [], data: BigInt64Array.of(BigInt(steps)) },
		};
		const pass = await this.#forward.run({ ...this.#state, ...inputs });
		return {
			smashed: pass.smashed as Real,
			learn: async (cutGradient, learningRate) => {
				const out = await this.#train.run({
					...this.#state,
					...inputs,
					...pass,
					y,
					cutGradient,
					learningRate: scalar(learningRate),
					headLearningRate: scalar(learningRate * manifest.headLearningRateFactor),
					robustBudget: scalar(manifest.robustBudget),
					...this.#noFeatures(x),
					step: scalar(steps),
				});
				const changed = Object.entries(out).flatMap(([name, value]) =>
					name.startsWith("next_") && name !== "next_delta" ? [[name.slice("next_".length), value] as const] : [],
				);
				this.#state = { ...this.#state, ...Object.fromEntries(changed) };
			},
		};
	}

	/** What the aggregator sends a tail: anything, as what is learned of it stays in the tail. */
	#noFeatures({ dims }: Real): Tensors {
		const { tail, streams } = this.#artifact.manifest;
		return tail === null ? {} : { features: zeros("float32", [dims[0] as number, streams.length, tail.features]) };
	}

	/** The artifact with the weights as they are now. */
	artifact(): Artifact {
		const { params, stats, head } = this.#state as Record<string, Real>;
		const weights = { "client/params": params, "client/stats": stats, "client/head": head };
		return {
			...this.#artifact,
			tensors: new Map([...this.#artifact.tensors, ...Object.entries(weights)]) as Artifact["tensors"],
		};
	}

	async close(): Promise<void> {
		await this.#forward.close();
		await this.#train.close();
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}
}
