import { openSync, writeSync } from "node:fs";
import { base64, caseOf, describe, runCases } from "./run-cases.js";
import { targets } from "./targets.js";

/** Reads cases in a process of its own: `fuzz-process.js NAME SEED FROM CASES BOX`. The file BOX holds the number of the case under way. */
const [name = "", seed, from, cases, box = ""] = process.argv.slice(2);
const range = { name, seed: Number(seed), from: Number(from), cases: Number(cases) };
const file = openSync(box, "w");
let current = range.from;
const target = await (targets[name] as NonNullable<(typeof targets)[string]>)();

/** What escapes a reader's own promises ends the process: nothing after it can be trusted. */
function escaped(error: unknown): void {
	const finding = { case: current, what: `escaped: ${describe(error)}`, input: base64(caseOf(target, range, current)) };
	process.send?.({ type: "escaped", finding }, () => process.exit(1));
}
process.on("uncaughtException", escaped);
process.on("unhandledRejection", escaped);

const result = await runCases(target, range, (index) => {
	current = index;
	writeSync(file, String(index).padEnd(16), 0);
});
await target.close?.();
process.send?.({ type: "done", result }, () => process.exit(0));
