import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { operatorSupport } from "@psgl/models";
import test from "ava";
import { operatorSamples } from "../../helpers/operator-samples/index.js";
import { operatorsTable } from "../../helpers/operators-table.js";
import { projectFolder } from "../../helpers/run-cli.js";
import { sharedPath, withShared } from "../../helpers/shared.js";

const tests = join(projectFolder, "test/models/operators");

test("docs/operators.md is what the sources and samples say now", async (t) => {
	t.is(
		await readFile(join(projectFolder, "docs/operators.md"), "utf8"),
		operatorsTable(),
		"run npm run operators-table",
	);
});

test("every operator has a sample, and nothing else has", (t) => {
	t.deepEqual(
		Object.keys(operatorSamples).sort(),
		operatorSupport().map(({ type }) => type),
	);
});

withShared("every golden vector of an operator belongs to a sample, and a test compares with it", async (t) => {
	const vectors = (await readdir(sharedPath("vectors"))).flatMap((file) => /^op_(.+)\.npz$/.exec(file)?.[1] ?? []);
	const named = Object.values(operatorSamples).flatMap(({ golden = [] }) => golden);
	t.deepEqual([...named].sort(), vectors.sort());
	const files = [
		"golden",
		"conv",
		"conv-transpose",
		"average-pool",
		"global-average-pool",
		"max-pool",
		"resize",
		"batch-normalization",
	];
	const sources = await Promise.all(files.map((file) => readFile(join(tests, `${file}.test.ts`), "utf8")));
	const text = sources.join("\n");
	for (const name of named) t.regex(text, new RegExp(`\\b(op_)?${name}\\b`), name);
});

test("the tests that are said to draw instances of an operator do", async (t) => {
	for (const [type, { drawn }] of Object.entries(operatorSamples)) {
		if (drawn === undefined) continue;
		const text = await readFile(join(tests, `${drawn}.test.ts`), "utf8");
		t.true(text.includes("gradientProperty("), drawn);
		t.regex(text, new RegExp(`\\b${type}\\b`), type);
	}
});
