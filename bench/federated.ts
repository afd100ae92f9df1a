/**
 * Federated training in one process with the graphs that run over MQTT: quick trials of deals, averaging and budgets on validation
 * data. Prints, for each seed, the decision of the last weights and of the mean of the weights along the second half of the run.
 *
 *   node build/bench/federated.js --data FILE --seeds 1,2,3 --rounds 30 [--fold 1] [--robust-budget 3] [--map-budget 0.1] [--deal patient]
 */
import { parseArgs } from "node:util";
import { balancedClassWeights } from "@psgl/cloud";
import type { Deal } from "@psgl/firmware-sim";
import {
	attackedAccuracy,
	attackNames,
	compileArtifact,
	DeployedSystem,
	defaultOptimiser,
	deployedMetrics,
	type ModelDefinition,
	presetDefinition,
	privacyModes,
	withWeights,
	zooNetwork,
} from "@psgl/models";
import { seededRandom, type Tensor } from "@psgl/sdk";
import { type Artifact, decodeArtifact } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { type DataSplits, Dataset, loadData } from "@psgl/sdk/sources";
import { Federation } from "./federation.js";

type Vector = Tensor<"float32">;

const { values: options } = parseArgs({
	options: {
		data: { type: "string" },
		deal: { type: "string", default: "iid" },
		devices: { type: "string", default: "8" },
		model: { type: "string", default: "lenet" },
		privacy: { type: "string", default: "robust" },
		"robust-budget": { type: "string" },
		rounds: { type: "string", default: "10" },
		batch: { type: "string", default: "16" },
		group: { type: "string", default: "4" },
		"average-every": { type: "string", default: "4" },
		rate: { type: "string", default: "0.001" },
		seeds: { type: "string", default: "1,2,3" },
		attacked: { type: "string", default: "100" },
		"class-weights": { type: "string" },
		fold: { type: "string" },
		smoothing: { type: "string", default: "0" },
		decay: { type: "string", default: "0" },
		"map-budget": { type: "string" },
	},
});
type NumberOption =
	| "devices"
	| "rounds"
	| "batch"
	| "group"
	| "average-every"
	| "rate"
	| "attacked"
	| "smoothing"
	| "decay";
const number = (name: NumberOption) => Number(options[name]);

async function measure(
	fresh: Artifact,
	definition: ModelDefinition,
	weights: ReadonlyMap<string, Vector>,
	validation: Dataset,
): Promise<Record<string, string>> {
	const artifact = await decodeArtifact(await withWeights(fresh, weights, "federated"));
	await using system = await DeployedSystem.load(artifact, definition, nodeRuntime, 1);
	const { accuracy, balancedAccuracy, auc } = (await deployedMetrics(system, validation)).fused as {
		accuracy: number;
		balancedAccuracy: number;
		auc: number;
	};
	const row: Record<string, number> = { accuracy, balancedAccuracy, auc };
	const some = validation.subset(seededRandom(5).permutation(validation.length).subarray(0, number("attacked")));
	if (some.length > 0) {
		const attacked = await attackedAccuracy(system, some, { random: seededRandom(7) });
		for (const name of attackNames) row[name] = attacked[name].accuracy.fused as number;
	}
	return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, (100 * value).toFixed(1)]));
}

if (options.data === undefined) throw new Error("--data FILE is missing");
for (const seed of options.seeds.split(",").map(Number)) {
	const loaded = await loadData(options.data, { seed });
	const data = options.fold === undefined ? loaded : refolded(loaded, Number(options.fold));
	const mode = privacyModes.find((name) => name === options.privacy);
	if (mode === undefined) throw new Error(`--privacy is one of ${privacyModes.join(", ")}`);
	const { shape, classes, length } = data.train;
	const preset = presetDefinition(mode, zooNetwork(options.model), shape, classes, length);
	const budget = options["robust-budget"];
	const mapBudget = options["map-budget"];
	const definition: ModelDefinition = {
		...preset,
		map: preset.map && { ...preset.map, budget: mapBudget === undefined ? preset.map.budget : Number(mapBudget) },
		robustBudget: budget === undefined ? preset.robustBudget : Number(budget) / 255,
		loss: { kind: "cross-entropy", labelSmoothing: number("smoothing") },
		optimiser: { ...defaultOptimiser, weightDecay: number("decay"), decoupledWeightDecay: true },
	};
	const random = seededRandom(seed).fork("weights");
	const fresh = await compileArtifact(definition, { name: "federated", random });
	const federation = await Federation.create(fresh, data, {
		seed,
		deal: options.deal as Deal,
		devices: number("devices"),
		rounds: number("rounds"),
		batch: number("batch"),
		group: number("group"),
		averageEvery: number("average-every"),
		rate: number("rate"),
		...(options["class-weights"] === "balanced" && { classWeights: balancedClassWeights(data.train) }),
	});
	await federation.train();
	const last = await measure(fresh, definition, federation.weights(false), data.validation);
	const mean = await measure(fresh, definition, federation.weights(true), data.validation);
	await federation.close();
	process.stdout.write(`${JSON.stringify({ seed, last, mean })}\n`);
}

/** Another cut of the same samples into training and validation part, of the same sizes; the test part is left alone. */
function refolded(data: DataSplits, fold: number): DataSplits {
	const { train, validation } = data;
	const [Samples, total] = [train.samples.constructor as typeof Uint8Array, train.length + validation.length];
	const samples = new Samples(train.samples.length + validation.samples.length);
	samples.set(train.samples);
	samples.set(validation.samples, train.samples.length);
	const labels = Int32Array.of(...train.labels, ...validation.labels);
	const all = new Dataset({ shape: train.shape, classes: train.classes, labels, samples });
	const order = seededRandom(fold).fork("fold").permutation(total);
	const [kept, held] = [order.subarray(validation.length), order.subarray(0, validation.length)];
	return { ...data, train: all.subset(kept), validation: all.subset(held) };
}
