/**
 * The shield's table of docs/privacy.md from the lines that `shield.js --out FILE` wrote: mean and standard deviation over the seeds.
 *
 *   node build/bench/shield-table.js FILE ...
 */
import { readFile } from "node:fs/promises";

type Line = Readonly<Record<string, number | string | null | undefined>> & {
	readonly row: string;
	readonly seed: number;
};

const titles: Readonly<Record<string, string>> = {
	none: "undefended",
	paper: "`paper`",
	noise: "noise of that map's norm",
	nopeek: "NoPeek, weight 5",
	shield: "**`shield`**",
};

/** Columns: of the lines' fields, shown as a share or in percent. */
const columns: readonly (readonly [string, string, "share" | "percent"])[] = [
	["leak", "`leak`", "share"],
	["leakBeyondLabel", "`leakBeyondLabel`", "share"],
	["labelAlone", "the label alone", "share"],
	["residualCorrelation", "rest correlation", "share"],
	["accuracy", "accuracy", "percent"],
	["balanced", "balanced", "percent"],
	["auc", "AUC", "percent"],
];

function spread(lines: readonly Line[], field: string, kind: "share" | "percent"): string {
	const values = lines.map((line) => line[field]).filter((value) => typeof value === "number");
	if (values.length === 0) return "";
	const [factor, digits] = kind === "share" ? [1, 3] : [100, 1];
	const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
	const square = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, values.length - 1);
	const shown = (factor * mean).toFixed(digits);
	return values.length === 1 ? shown : `${shown} ± ${(factor * Math.sqrt(square)).toFixed(digits)}`;
}

async function main(files: readonly string[]): Promise<void> {
	if (files.length === 0) throw new Error("name the files that --out wrote");
	const texts = await Promise.all(files.map((file) => readFile(file, "utf8")));
	const lines = texts.flatMap((text) => text.split("\n").filter(Boolean)).map((line) => JSON.parse(line) as Line);
	for (const data of new Set(lines.map((line) => line.data))) {
		process.stdout.write(`| ${data} | seeds | ${columns.map(([, title]) => title).join(" | ")} |\n`);
		process.stdout.write(`|---|---|${"---|".repeat(columns.length)}\n`);
		for (const [row, title] of Object.entries(titles)) {
			const its = lines.filter((line) => line.data === data && line.row === row);
			// A line that was written again for a seed stands for it.
			const own = [...new Map(its.map((line) => [line.seed, line])).values()];
			if (own.length === 0) continue;
			const cells = columns.map(([field, , kind]) =>
				row === "none" && field === "labelAlone" ? "" : spread(own, field, kind),
			);
			process.stdout.write(`| ${title} | ${own.length} | ${cells.join(" | ")} |\n`);
		}
		process.stdout.write("\n");
	}
}

await main(process.argv.slice(2));
