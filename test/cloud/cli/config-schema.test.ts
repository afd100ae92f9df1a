import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import test from "ava";
import { projectFolder } from "../../helpers/run-cli.js";

interface Schema {
	readonly properties: Readonly<Record<string, { readonly properties?: Readonly<Record<string, unknown>> }>>;
}

const published = await readFile(join(projectFolder, "docs/config.schema.json"), "utf8");

async function printed(what: "schema" | "tables"): Promise<string> {
	const script = join(projectFolder, "cloud/dist/cli/print-option-docs.js");
	const { stdout } = await promisify(execFile)(process.execPath, [script, what]);
	return stdout;
}

test("docs/config.schema.json is what the options say now", async (t) => {
	t.deepEqual(JSON.parse(published), JSON.parse(await printed("schema")), "run npm run schema");
});

test("docs/options.md is what the options say now, and tells of every one", async (t) => {
	const text = await readFile(join(projectFolder, "docs/options.md"), "utf8");
	t.is(text, await printed("tables"), "run npm run schema");
	for (const [verb, section] of Object.entries((JSON.parse(published) as Schema).properties)) {
		for (const key of Object.keys(section.properties ?? {})) t.true(text.includes(`| \`${key}\` |`), `${verb}: ${key}`);
	}
});
