import type { Random, Runtime } from "@psgl/sdk";
import { type Artifact, decodeArtifact, type Manifest } from "@psgl/sdk/artifact";
import type { Dataset } from "@psgl/sdk/sources";
import { compileArtifact, withWeights } from "../compile/compile-model.js";
import { presetDefinition } from "../compile/presets.js";
import { JointTrainer } from "../training/joint-trainer.js";
import { zoo } from "../zoo/index.js";

export interface UndefendedOptions {
	readonly runtime: Runtime;
	readonly threads: number;
	readonly random: Random;
	/** Training steps. */
	readonly steps: number;
	readonly signal?: AbortSignal | undefined;
	readonly onProgress?: ((share: number) => void) | undefined;
}

const batchSize = 32;
const firstLearningRate = 2e-3;

/**
 * The network of an artifact without any defence (privacy mode `none`), trained on the attacker's samples: what every
 * attack of an audit is measured against. Undefined for networks that are not in the zoo.
 */
export async function undefendedReference(
	{ network: name, inputShape, classes }: Manifest,
	attacker: Dataset,
	{ runtime, threads, random, steps, signal, onProgress }: UndefendedOptions,
): Promise<Artifact | undefined> {
	const network = zoo.find((candidate) => candidate.name === name);
	if (network === undefined) return undefined;
	const definition = presetDefinition("none", network, inputShape, classes);
	const fresh = await compileArtifact(definition, { name: "undefended", random: random.fork("weights") });
	await using trainer = await JointTrainer.create(fresh, { runtime, threads, random });
	const draws = random.fork("batches");
	for (let step = 0; step < steps; step++) {
		signal?.throwIfAborted();
		const chosen = Uint32Array.from({ length: batchSize }, () => draws.integer(attacker.length));
		await trainer.step(attacker, chosen, firstLearningRate * (1 - step / steps));
		onProgress?.((step + 1) / steps);
	}
	return decodeArtifact(await withWeights(fresh, trainer.weights(), "undefended reference of an audit"));
}
