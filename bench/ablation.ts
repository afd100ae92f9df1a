/**
 * Trains variants of the model in one process and measures each: as deployed, without the map, under
 * white-box attacks, and with half of the channels lost.
 *
 *   node build/bench/ablation.js --data FILE --table main --seeds 0,1,2 --epochs 10 [--on validation] [--out FILE]
 */
import { appendFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import {
	attackedAccuracy,
	attackNames,
	compileArtifact,
	DeployedSystem,
	deployedMetrics,
	fitMaskedPrior,
	JointTrainer,
	type ModelDefinition,
	transitLoss,
	withWeights,
	zooNetwork,
} from "@psgl/models";
import { seededRandom, type Tensor } from "@psgl/sdk";
import { decodeArtifact } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { type DataSplits, type Dataset, loadData } from "@psgl/sdk/sources";
import { type MapSource, OtherMaps } from "./map-source.js";
import { mapSources, tables, variantDefinition } from "./variants.js";

const { values: options } = parseArgs({
	options: {
		data: { type: "string" },
		table: { type: "string", default: "main" },
		variants: { type: "string" },
		seeds: { type: "string", default: "0,1,2" },
		epochs: { type: "string", default: "10" },
		batch: { type: "string", default: "64" },
		rate: { type: "string", default: "0.001" },
		model: { type: "string", default: "lenet" },
		on: { type: "string", default: "test" },
		attacked: { type: "string", default: "1000" },
		threads: { type: "string", default: "1" },
		"map-budget": { type: "string" },
		"robust-budget": { type: "string" },
		out: { type: "string" },
	},
});

type Row = Record<string, number>;

async function main(): Promise<void> {
	if (options.data === undefined) throw new Error("--data FILE is missing");
	const names = options.variants?.split(";") ?? tables[options.table];
	if (names === undefined) throw new Error(`no table ${options.table}; there are: ${Object.keys(tables).join(", ")}`);
	const seeds = options.seeds.split(",").map(Number);
	const data = await loadData(options.data, { seed: 0 });
	const results = new Map<string, Row[]>();
	for (const name of names) {
		for (const seed of seeds) {
			const network = zooNetwork(options.model);
			const definition = overridden(variantDefinition(name, network, data.train.shape, data.train.classes));
			const started = performance.now();
			const row = await measure(definition, data, seed, mapSources[name]);
			row.seconds = (performance.now() - started) / 1000;
			results.set(name, [...(results.get(name) ?? []), row]);
			const line = JSON.stringify({ data: data.name, variant: name, seed, ...row });
			if (options.out !== undefined) await appendFile(options.out, `${line}\n`);
			else process.stderr.write(`${line}\n`);
		}
	}
	process.stdout.write(markdown(results));
}

/** `--map-budget` and `--robust-budget` (in 1/255) change what a variant has of them. */
function overridden(definition: ModelDefinition): ModelDefinition {
	const map = options["map-budget"];
	const robust = options["robust-budget"];
	return {
		...definition,
		map: definition.map === null || map === undefined ? definition.map : { ...definition.map, budget: Number(map) },
		robustBudget:
			definition.robustBudget === 0 || robust === undefined ? definition.robustBudget : Number(robust) / 255,
	};
}

/** Trains one variant with one seed and measures it. */
async function measure(
	definition: ModelDefinition,
	data: DataSplits,
	seed: number,
	source: MapSource | undefined,
): Promise<Row> {
	const random = seededRandom(seed);
	const threads = Number(options.threads);
	const fresh = await compileArtifact(definition, { name: "ablation", random: random.fork("weights") });
	await using maps = source && (await OtherMaps.create(source, definition, random.fork("maps"), threads));
	const runtime = maps?.runtime(fresh, () => trainer.weights()) ?? nodeRuntime;
	const trainer: JointTrainer = await JointTrainer.create(fresh, { runtime, threads, random: random.fork("training") });
	const epochs = Number(options.epochs);
	const batch = Number(options.batch);
	const total = epochs * Math.ceil(data.train.length / batch);
	for (let epoch = 0; epoch < epochs; epoch++) {
		const before = epoch * Math.ceil(data.train.length / batch);
		// Constant, then falling to zero over the second half: less noise at the end of the run.
		await trainer.epoch(
			data.train,
			epoch,
			batch,
			(step) => Number(options.rate) * Math.min(1, 2 * (1 - (before + step) / total)),
		);
	}
	const artifact = await decodeArtifact(await withWeights(fresh, trainer.weights(), "ablation"));
	await trainer.close();

	const part = options.on === "validation" ? data.validation : data.test;
	const system = await DeployedSystem.load(artifact, definition, nodeRuntime, threads);
	maps?.deploy(system, trainer.weights(), definition.map?.budget ?? 0);
	const row: Row = {};
	for (const [name, metrics] of Object.entries(await deployedMetrics(system, part))) {
		row[`${name} accuracy`] = metrics.accuracy;
		row[`${name} balanced`] = metrics.balancedAccuracy;
		row[`${name} AUC`] = metrics.auc;
	}
	row["without map"] = (await deployedMetrics(system, part, { withMap: false })).fused?.accuracy as number;
	const attackedPart = part.subset(
		random.fork("attacked").permutation(part.length).subarray(0, Number(options.attacked)),
	);
	if (attackedPart.length > 0) {
		const attacked = await attackedAccuracy(system, attackedPart, { random: random.fork("attacks") });
		for (const name of attackNames) {
			row[name] = attacked[name].accuracy.fused as number;
			row[`${name} balanced`] = attacked[name].balancedAccuracy.fused as number;
		}
	}
	if (definition.recovery.kind === "masked") {
		const samples = await smashedSamples(system, data.train, 1500);
		const prior = await fitMaskedPrior(nodeRuntime, samples, { rank: definition.recovery.rank });
		const loss = await transitLoss(system, artifact, part, {
			fraction: 0.5,
			prior,
			runtime: nodeRuntime,
			random: random.fork("channels"),
		});
		row["half lost"] = loss.unrecovered.accuracy;
		row["half lost, recovered"] = loss.recovered.accuracy;
	}
	await system.close();
	return row;
}

/** Smashed data of the first `count` training samples, [n, Cs*...]. */
async function smashedSamples(system: DeployedSystem, train: Dataset, count: number): Promise<Tensor<"float32">> {
	const parts: Float32Array[] = [];
	const n = Math.min(count, train.length);
	for (let start = 0; start < n; start += 128) {
		const { x } = train.batch(Array.from({ length: Math.min(128, n - start) }, (_, i) => start + i));
		parts.push((await system.device(x)).smashed.data);
	}
	const size = (parts[0] as Float32Array).length / Math.min(128, n);
	const data = new Float32Array(n * size);
	let offset = 0;
	for (const part of parts) {
		data.set(part, offset);
		offset += part.length;
	}
	return { dtype: "float32", dims: [n, size], data };
}

const columns = [
	"fused accuracy",
	"fused balanced",
	"fused AUC",
	"A accuracy",
	"R accuracy",
	"F accuracy",
	"without map",
	...attackNames,
	"half lost",
	"half lost, recovered",
];

/** Mean and standard deviation over the seeds, in per cent. */
function markdown(results: ReadonlyMap<string, readonly Row[]>): string {
	const shown = columns.filter((c) => [...results.values()].some((rows) => rows.some((r) => c in r)));
	const lines = [`| | ${shown.join(" | ")} |`, `|---|${shown.map(() => "---").join("|")}|`];
	for (const [name, rows] of results) {
		const cells = shown.map((c) => {
			const values = rows.map((r) => r[c]).filter((v) => v !== undefined);
			return values.length === 0 ? "-" : spread(values.map((v) => 100 * v));
		});
		lines.push(`| ${name} | ${cells.join(" | ")} |`);
	}
	return `${lines.join("\n")}\n`;
}

function spread(values: readonly number[]): string {
	const mean = values.reduce((a, b) => a + b, 0) / values.length;
	const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / Math.max(1, values.length - 1);
	return `${mean.toFixed(1)} ± ${Math.sqrt(variance).toFixed(1)}`;
}

await main();
