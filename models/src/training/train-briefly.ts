import type { Random, Runtime, Tensor } from "@psgl/sdk";
import { type Artifact, decodeArtifact } from "@psgl/sdk/artifact";
import type { Dataset } from "@psgl/sdk/sources";
import { compileArtifact, withWeights } from "../compile/compile-model.js";
import type { ModelDefinition } from "../compile/model-definition.js";
import { JointTrainer } from "./joint-trainer.js";
import { trainOnce } from "./train-once.js";

export interface BriefTrainingOptions {
	readonly runtime: Runtime;
	readonly threads: number;
	readonly random: Random;
	/** Training steps; where the cut is a code, as many again of the aggregator on the codes. */
	readonly steps: number;
	readonly signal?: AbortSignal | undefined;
	readonly onProgress?: ((share: number) => void) | undefined;
}

const batchSize = 32;
const firstLearningRate = 2e-3;

/**
 * Trains a definition in one process for a number of steps, on few samples: not to decide well, but to send what a network of
 * its kind sends.
 */
export async function trainBriefly(
	definition: ModelDefinition,
	name: string,
	data: Dataset,
	options: BriefTrainingOptions,
): Promise<Artifact> {
	const fresh = await compileArtifact(definition, { name, random: options.random.fork("weights") });
	const weights = await (definition.code === null ? jointly : once)(fresh, data, options);
	return decodeArtifact(
		await withWeights(fresh, weights, `${name}, trained for ${options.steps} steps in one process`),
	);
}

type Weights = ReadonlyMap<string, Tensor<"float32">>;

async function jointly(
	fresh: Artifact,
	data: Dataset,
	{ runtime, threads, random, steps, signal, onProgress }: BriefTrainingOptions,
): Promise<Weights> {
	await using trainer = await JointTrainer.create(fresh, { runtime, threads, random });
	const draws = random.fork("batches");
	for (let step = 0; step < steps; step++) {
		signal?.throwIfAborted();
		const chosen = Uint32Array.from({ length: batchSize }, () => draws.integer(data.length));
		await trainer.step(data, chosen, firstLearningRate * (1 - step / steps));
		onProgress?.((step + 1) / steps);
	}
	return trainer.weights();
}

function once(fresh: Artifact, data: Dataset, { steps, ...options }: BriefTrainingOptions): Promise<Weights> {
	const epochs = Math.max(1, Math.round((steps * batchSize) / data.length));
	const learning = { batchSize, learningRate: firstLearningRate, shieldWeight: 1 } as const;
	return trainOnce(fresh, data, { ...options, ...learning, localEpochs: epochs, serverEpochs: epochs });
}
