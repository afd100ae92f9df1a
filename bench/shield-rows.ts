/** The rows of the shield's table: how each is defined and trained in one process. */
import {
	type AtCut,
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
import { type Disturb, equalNormNoise } from "./equal-norm-noise.js";
import { NoPeek } from "./no-peek.js";

export interface RowOptions {
	readonly epochs: number;
	readonly model: string;
	readonly threads: number;
	/** Default: the preset's. */
	readonly code: CodeSettings | undefined;
	readonly shieldWeight: number;
	readonly augmentation: Augmentation | null | undefined;
	/** Of the shield's training. Default: the preset's. */
	readonly robustBudget: number | undefined;
}

export interface TrainedRow {
	readonly definition: ModelDefinition;
	readonly artifact: Artifact;
	/** The same with the weights of earlier epochs, oldest first: what had been sent before. Of a code nothing had. */
	readonly earlier: readonly Artifact[];
	/** The artifact's file. */
	readonly bytes: Uint8Array;
	/** What the device does to samples before all else, with new chance each time; undefined: nothing. */
	readonly disturb: Disturb | undefined;
}

type TrainedWeights = ReturnType<JointTrainer["weights"]>;

/** Rows of the table: privacy modes, and two defences beside them on the network of `none`. */
export type RowName = PrivacyMode | "noise" | "nopeek";

/** Of the distance correlation in the loss, as in the reference's row. */
const noPeekWeight = 5;
const batchSize = 64;
const learningRate = 1e-3;
/** Releases of a sample that the path attack has, evenly spread over the epochs. */
const releases = 5;

export async function trainedRow(row: RowName, train: Dataset, seed: number, options: RowOptions): Promise<TrainedRow> {
	const definition = rowDefinition(row === "noise" || row === "nopeek" ? "none" : row, train, options);
	const random = seededRandom(seed);
	const fresh = await compileArtifact(definition, { name: row, random: random.fork("weights") });
	const disturb =
		row === "noise" ? equalNormNoise(await paperOf(train, seed, options), random.fork("noise")) : undefined;
	await using defence = row === "nopeek" ? await NoPeek.load(train.shape, definition, noPeekWeight) : undefined;
	const versions =
		definition.code === null
			? await jointly(fresh, train, seed, options, { disturb, defence })
			: [await once(fresh, train, seed, options)];
	const files: Uint8Array[] = [];
	for (const weights of versions) files.push(await withWeights(fresh, weights, "shield benchmark"));
	const [artifact, ...earlier] = (await Promise.all(files.map((file) => decodeArtifact(file)))).reverse();
	const trained = artifact as Artifact;
	if (row === "paper") paper = { key: `${seed} ${JSON.stringify(options)}`, artifact: Promise.resolve(trained) };
	return { definition, bytes: files.at(-1) as Uint8Array, artifact: trained, earlier: earlier.reverse(), disturb };
}

/** The network of the row `paper`, which both rows may need in one run. */
let paper: { readonly key: string; readonly artifact: Promise<Artifact> } | undefined;

function paperOf(train: Dataset, seed: number, options: RowOptions): Promise<Artifact> {
	const key = `${seed} ${JSON.stringify(options)}`;
	if (paper?.key !== key) {
		paper = { key, artifact: trainedRow("paper", train, seed, options).then(({ artifact }) => artifact) };
	}
	return paper.artifact;
}

function rowDefinition(mode: PrivacyMode, train: Dataset, options: RowOptions): ModelDefinition {
	const network = zooNetwork(options.model);
	const preset = presetDefinition(mode, network, train.shape, train.classes, train.length);
	if (preset.code === null) return preset;
	const { code = preset.code, augmentation = preset.augmentation, robustBudget = preset.robustBudget } = options;
	const budgetBits = recordBits(code, train.classes.length);
	return { ...preset, code, augmentation, robustBudget, disclosure: { release: "once", budgetBits } };
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

async function jointly(
	fresh: Artifact,
	train: Dataset,
	seed: number,
	{ epochs, threads }: RowOptions,
	{ disturb, defence }: { readonly disturb: Disturb | undefined; readonly defence: NoPeek | undefined },
): Promise<readonly TrainedWeights[]> {
	const random = seededRandom(seed).fork("training");
	const atCut = defence && ((step: AtCut) => defence.gradient(step));
	await using trainer = await JointTrainer.create(fresh, {
		runtime: nodeRuntime,
		threads,
		random,
		...(atCut && { atCut }),
	});
	const steps = epochs * Math.ceil(train.length / batchSize);
	const every = Math.ceil(epochs / releases);
	const versions: TrainedWeights[] = [];
	let step = 0;
	for (let epoch = 0; epoch < epochs; epoch++) {
		const seen = disturb === undefined ? train : await disturb(train);
		await trainer.epoch(seen, epoch, batchSize, () => learningRate * (1 - 0.95 * (step++ / steps)));
		if ((epochs - 1 - epoch) % every === 0) versions.push(trainer.weights());
	}
	return versions;
}
