/**
 * What the shield hides and what it costs, beside the same network without it: trains in one process, attacks what is sent with the
 * audit's own attacks, and prints one line of JSON for each row and seed. `--save DIR` keeps the artifacts, for `psgl audit`.
 *
 *   node build/bench/shield.js --data FILE [--first N] [--rows none,paper,noise,nopeek,shield] [--seeds 1,2,3] [--on validation] [--fold 1] [--cache DIR]
 */
import { appendFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import {
	type AuditBudgetName,
	type Augmentation,
	attackedAccuracy,
	auditBudgets,
	DeployedSystem,
	deployedMetrics,
	type RowAccuracy,
} from "@psgl/models";
import { seededRandom } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { type DataSplits, type Dataset, loadData } from "@psgl/sdk/sources";
import { fold } from "./fold.js";
import { headline, type LeakOptions, type Rebuilt, rebuiltFrom, type Victims, victimsOf } from "./shield-leak.js";
import { type RowName, type RowOptions, type TrainedRow, trainedRow } from "./shield-rows.js";

const { values: options } = parseArgs({
	options: {
		data: { type: "string" },
		first: { type: "string" },
		rows: { type: "string", default: "none,shield" },
		model: { type: "string" },
		seeds: { type: "string", default: "1,2,3" },
		on: { type: "string", default: "test" },
		fold: { type: "string" },
		epochs: { type: "string", default: "15" },
		weight: { type: "string", default: "1" },
		numbers: { type: "string" },
		bits: { type: "string" },
		augment: { type: "string" },
		robust: { type: "string" },
		attacked: { type: "boolean", default: false },
		"attack-samples": { type: "string", default: "1000" },
		attacks: { type: "string", default: "kernel-ridge,decoder,path,decoder=label" },
		budget: { type: "string", default: "quick" },
		threads: { type: "string", default: "1" },
		cache: { type: "string" },
		save: { type: "string" },
		out: { type: "string" },
	},
});

/** `shift=0.07,zoom=0.1,contrast=0.1,brightness=0.1,mirror=1`, what is left out 0; `none` for no augmentation. */
function augmentation(text: string | undefined): Augmentation | null | undefined {
	if (text === undefined) return undefined;
	if (text === "none") return null;
	const given = new Map(text.split(",").map((part) => part.split("=") as [string, string]));
	const amount = (name: string) => Number(given.get(name) ?? 0);
	return {
		shift: amount("shift"),
		zoom: amount("zoom"),
		contrast: amount("contrast"),
		brightness: amount("brightness"),
		mirror: amount("mirror") === 1,
	};
}

/** As many samples as are attacked, drawn at random where there are more. */
function some(data: Dataset): Dataset {
	const count = Number(options["attack-samples"]);
	if (data.length <= count) return data;
	return data.subset(seededRandom(1).fork("attacked").permutation(data.length).subarray(0, count));
}

async function utility(
	{ artifact, definition, disturb }: TrainedRow,
	data: DataSplits,
): Promise<Record<string, number>> {
	await using system = await DeployedSystem.load(artifact, definition, nodeRuntime, Number(options.threads));
	const seen = disturb === undefined ? data.test : await disturb(data.test);
	const { fused } = await deployedMetrics(system, seen);
	if (fused === undefined) throw new Error("no decision");
	const attacked: Readonly<Record<string, RowAccuracy>> = options.attacked
		? await attackedAccuracy(system, some(seen), { random: seededRandom(1).fork("robustness") })
		: {};
	return {
		accuracy: fused.accuracy,
		balanced: fused.balancedAccuracy,
		auc: fused.auc,
		...Object.fromEntries(Object.entries(attacked).map(([name, rows]) => [name, rows.accuracy.fused as number])),
	};
}

/** What was trained and attacked before, under a name that says all of it. */
async function remembered<T>(name: string, make: () => Promise<T>): Promise<T> {
	if (options.cache === undefined) return make();
	const file = join(options.cache, `${name.replaceAll(/[^\w.=,+-]/g, "_")}.json`);
	const known = await readFile(file, "utf8").catch(() => undefined);
	if (known !== undefined) return JSON.parse(known) as T;
	const value = await make();
	await mkdir(options.cache, { recursive: true });
	await writeFile(file, JSON.stringify(value));
	return value;
}

interface Measured {
	readonly utility: Record<string, number>;
	readonly rebuilt: readonly Rebuilt[];
}

async function measured(
	mode: RowName,
	data: DataSplits,
	seed: number,
	victims: Victims,
	row: RowOptions,
	leak: LeakOptions,
): Promise<Measured> {
	const trained = await trainedRow(mode, data.train, seed, row);
	if (options.save !== undefined) {
		await mkdir(options.save, { recursive: true });
		await writeFile(join(options.save, `${mode}-${seed}.psgl`), trained.bytes);
	}
	return { utility: await utility(trained, data), rebuilt: await rebuiltFrom(trained, victims, leak) };
}

async function main(): Promise<void> {
	if (options.data === undefined) throw new Error("--data FILE is missing");
	const whole = await loadData(options.data, { seed: 0 });
	const loaded = options.fold === undefined ? whole : fold(whole, Number(options.fold));
	const train =
		options.first === undefined
			? loaded.train
			: loaded.train.subset(Array.from({ length: Number(options.first) }, (_, i) => i));
	const data = { ...loaded, train, test: options.on === "validation" ? loaded.validation : loaded.test };
	const row: RowOptions = {
		epochs: Number(options.epochs),
		model: options.model ?? (train.shape.length === 2 ? "ecg-1d" : "lenet"),
		threads: Number(options.threads),
		code: options.numbers === undefined ? undefined : { numbers: Number(options.numbers), bits: Number(options.bits) },
		shieldWeight: Number(options.weight),
		augmentation: augmentation(options.augment),
		robustBudget: options.robust === undefined ? undefined : Number(options.robust) / 255,
	};
	for (const seed of options.seeds.split(",").map(Number)) {
		const leak: LeakOptions = {
			attacks: options.attacks.split(","),
			budget: auditBudgets[options.budget as AuditBudgetName],
			threads: row.threads,
			seed,
		};
		const victims = await victimsOf(data, leak);
		const on = options.fold === undefined ? options.on : `fold ${options.fold}`;
		const shared = [data.name, options.first, on, seed, row.model, row.epochs, options.attacks, options.budget];
		const own = [row.code && `${row.code.numbers}x${row.code.bits}`, row.shieldWeight, options.augment, options.robust];
		const result = (mode: RowName) =>
			remembered([mode, ...shared, ...(mode === "shield" ? own : [])].join(" "), () =>
				measured(mode, data, seed, victims, row, leak),
			);
		const undefended = await result("none");
		for (const mode of options.rows.split(",") as RowName[]) {
			const started = performance.now();
			const own = mode === "none" ? undefended : await result(mode);
			const line = JSON.stringify(
				{
					data: data.name,
					on,
					row: mode,
					seed,
					code: row.code && `${row.code.numbers}x${row.code.bits}`,
					weight: row.shieldWeight,
					augment: options.augment,
					robust: options.robust,
					...own.utility,
					...headline(own.rebuilt, undefended.rebuilt, victims),
					classMean: victims.classMeanSimilarity,
					mean: victims.meanSimilarity,
					attacks: Object.fromEntries(own.rebuilt.map((r) => [r.attack, [r.similarity, r.residualCorrelation]])),
					seconds: (performance.now() - started) / 1000,
				},
				(_, value) => (typeof value === "number" ? Number(value.toFixed(4)) : value),
			);
			process.stdout.write(`${line}\n`);
			if (options.out !== undefined) await appendFile(options.out, `${line}\n`);
		}
	}
}

await main();
