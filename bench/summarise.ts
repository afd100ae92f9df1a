/**
 * Mean and standard deviation over several runs of `psgl demo`, as a row of docs/results.md.
 *
 *   node build/bench/summarise.js OUT1 OUT2 OUT3      (folders that --out named)
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";

interface Rows {
	readonly fused: number;
}

/** The parts of report.json that are summed up here. */
interface Result {
	readonly data: string;
	readonly accuracy: Rows;
	readonly balancedAccuracy: Rows;
	readonly auc: Rows;
	readonly attacked: Readonly<Record<string, Rows | null>> | null;
	readonly vanilla: {
		readonly accuracy: number;
		readonly balancedAccuracy: number;
		readonly auc: number;
		readonly attacked: Readonly<Record<string, number | null>> | null;
	};
	readonly majority: number;
	readonly lost: number;
	readonly doubled: number;
}

interface Report {
	readonly result: Result;
	readonly psgl: {
		/** Half of the channels lost on the way: what the decision is worth. */
		readonly halfOfChannelsLost?: Readonly<Record<"unrecovered" | "recovered", { readonly accuracy: number }>> | null;
	};
}

const attacks = ["fgsm", "pgd2", "pgd8", "jsma"] as const;

async function main(folders: readonly string[]): Promise<void> {
	if (folders.length === 0) throw new Error("name the folders with the reports");
	const reports: Report[] = [];
	for (const folder of folders) reports.push(JSON.parse(await readFile(join(folder, "report.json"), "utf8")));
	const print = (name: string, value: (result: Result, report: Report) => number | null | undefined) => {
		const values = reports.map((r) => value(r.result, r)).filter((v) => typeof v === "number");
		if (values.length > 0) process.stdout.write(`| ${name} | ${spread(values)} |\n`);
	};
	process.stdout.write(`| ${reports[0]?.result.data} | mean ± sd of ${reports.length} |\n|---|---:|\n`);
	print("majority class", (r) => r.majority);
	print("accuracy, fused", (r) => r.accuracy.fused);
	print("accuracy, vanilla", (r) => r.vanilla.accuracy);
	print("balanced accuracy, fused", (r) => r.balancedAccuracy.fused);
	print("balanced accuracy, vanilla", (r) => r.vanilla.balancedAccuracy);
	print("AUC, fused", (r) => r.auc.fused);
	print("AUC, vanilla", (r) => r.vanilla.auc);
	for (const name of attacks) {
		print(`${name}, fused`, (r) => r.attacked?.[name]?.fused);
		print(`${name}, vanilla`, (r) => r.vanilla.attacked?.[name]);
		print(`${name}, gain`, (r) => difference(r.attacked?.[name]?.fused, r.vanilla.attacked?.[name]));
	}
	print("half of the channels lost, fused", (_, { psgl }) => psgl.halfOfChannelsLost?.recovered.accuracy);
	print("the same without recovery", (_, { psgl }) => psgl.halfOfChannelsLost?.unrecovered.accuracy);
	const lost = reports.reduce((sum, { result }) => sum + result.lost + result.doubled, 0);
	process.stdout.write(`| batches lost or doubled | ${lost} |\n`);
}

function difference(a: number | null | undefined, b: number | null | undefined): number | undefined {
	return typeof a === "number" && typeof b === "number" ? a - b : undefined;
}

/** Fractions as per cent, mean and sample standard deviation. */
function spread(values: readonly number[]): string {
	const mean = values.reduce((a, b) => a + b, 0) / values.length;
	const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / Math.max(1, values.length - 1);
	return `${(100 * mean).toFixed(1)} ± ${(100 * Math.sqrt(variance)).toFixed(1)}`;
}

await main(process.argv.slice(2));
