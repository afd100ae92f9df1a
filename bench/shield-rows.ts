/** The rows of the shield's table: how each is defined and trained in one process. */
import {
	type Augmentation,
	compileArtifact,
	JointTrainer,
	type ModelDefinition,
	type PrivacyMode,
	presetDefinition,
	recordBits,
	trainOnce,
	withWeights,
	zooNetwork,
} from "@psgl/models";
import { seededRandom } from "@psgl/sdk";
import { type Artifact, type CodeSettings, decodeArtifact } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import type { Dataset } from "@psgl/sdk/sources";

export interface RowOptions {
	readonly epochs: number;
	readonly model: string;
	readonly threads: number;
	/** Default: the preset's. */
	readonly code: CodeSettings | undefined;
	readonly shieldWeight: number;
	readonly augmentation: Augmentation | null | undefined;
}

export interface TrainedRow {
	readonly definition: ModelDefinition;
	readonly artifact: Artifact;
	/** The artifact's file. */
	readonly bytes: Uint8Array;
}

const batchSize = 64;
const learningRate = 1e-3;

export async function trainedRow(
	mode: PrivacyMode,
	train: Dataset,
	seed: number,
	options: RowOptions,
): Promise<TrainedRow> {
	const definition = rowDefinition(mode, train, options);
	const random = seededRandom(seed);
	const fresh = await compileArtifact(definition, { name: mode, random: random.fork("weights") });
	const weights = await (definition.code === null ? jointly : once)(fresh, train, seed, options);
	const bytes = await withWeights(fresh, weights, "shield benchmark");
	return { definition, bytes, artifact: await decodeArtifact(bytes) };
}

function rowDefinition(mode: PrivacyMode, train: Dataset, options: RowOptions): ModelDefinition {
	const network = zooNetwork(options.model);
	const preset = presetDefinition(mode, network, train.shape, train.classes, train.length);
	if (preset.code === null) return preset;
	const { code = preset.code, augmentation = preset.augmentation } = options;
	const budgetBits = recordBits(code, train.classes.length);
	return { ...preset, code, augmentation, disclosure: { release: "once", budgetBits } };
}

function once(fresh: Artifact, train: Dataset, seed: number, options: RowOptions) {
	return trainOnce(fresh, train, {
		runtime: nodeRuntime,
		threads: options.threads,
		random: seededRandom(seed).fork("training"),
		localEpochs: options.epochs,
		serverEpochs: options.epochs,
		batchSize,
		learningRate,
		shieldWeight: options.shieldWeight,
	});
}

async function jointly(fresh: Artifact, train: Dataset, seed: number, { epochs, threads }: RowOptions) {
	const random = seededRandom(seed).fork("training");
	await using trainer = await JointTrainer.create(fresh, { runtime: nodeRuntime, threads, random });
	const steps = epochs * Math.ceil(train.length / batchSize);
	let step = 0;
	for (let epoch = 0; epoch < epochs; epoch++) {
		await trainer.epoch(train, epoch, batchSize, () => learningRate * (1 - 0.95 * (step++ / steps)));
	}
	return trainer.weights();
}
