import { phantomSplits } from "@psgl/firmware-sim";
import {
	compileArtifact,
	JointTrainer,
	type ModelDefinition,
	type PrivacyMode,
	presetDefinition,
	withWeights,
	zooNetwork,
} from "@psgl/models";
import { seededRandom } from "@psgl/sdk";
import { type Artifact, decodeArtifact } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import type { DataSplits } from "@psgl/sdk/sources";

export interface TrainedModel {
	readonly artifact: Artifact;
	readonly definition: ModelDefinition;
	readonly data: DataSplits;
	/** Loss of the last stream, epoch by epoch. */
	readonly losses: readonly number[];
}

export interface TrainingOptions {
	readonly seed?: number;
	readonly epochs?: number;
	/** Changes to the preset. */
	readonly changed?: Partial<ModelDefinition>;
}

const batchSize = 16;
const firstLearningRate = 4e-3;

/** 240 small phantoms to train on, 40 to validate, 120 to test, easy ones. */
export const smallPhantoms = (): DataSplits =>
	phantomSplits({ seed: 1, train: 240, validation: 40, test: 120, size: 16, difficulty: 0.2 });

/** A LeNet trained on `smallPhantoms` for a second or three. */
export async function trainedModel(mode: PrivacyMode, options: TrainingOptions = {}): Promise<TrainedModel> {
	const { seed = 1, epochs = 5, changed = {} } = options;
	const data = smallPhantoms();
	const { shape, classes } = data.train;
	const definition = { ...presetDefinition(mode, zooNetwork("lenet"), shape, classes), ...changed };
	const random = seededRandom(seed);
	const fresh = await compileArtifact(definition, { name: "trained", random: random.fork("weights") });
	const trainer = await JointTrainer.create(fresh, { runtime: nodeRuntime, random: random.fork("training") });
	const steps = Math.ceil(data.train.length / batchSize) * epochs;
	const losses: number[] = [];
	let step = 0;
	for (let epoch = 0; epoch < epochs; epoch++) {
		losses.push(await trainer.epoch(data.train, epoch, batchSize, () => firstLearningRate * (1 - step++ / steps)));
	}
	await trainer.close();
	const artifact = await decodeArtifact(await withWeights(fresh, trainer.weights(), "test"));
	return { artifact, definition, data, losses };
}
