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

test("docs/config.schema.json is what the options say now", async (t) => {
	const script = join(projectFolder, "cloud/dist/cli/print-config-schema.js");
	const { stdout } = await promisify(execFile)(process.execPath, [script]);
	t.deepEqual(JSON.parse(published), JSON.parse(stdout), "run npm run schema");
});

test("docs/configuration.md tells of every option", async (t) => {
	const text = await readFile(join(projectFolder, "docs/configuration.md"), "utf8");
	for (const [verb, section] of Object.entries((JSON.parse(published) as Schema).properties)) {
		for (const key of Object.keys(section.properties ?? {})) t.true(text.includes(`\`${key}\``), `${verb}: ${key}`);
	}
});
