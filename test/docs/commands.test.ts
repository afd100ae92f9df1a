import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { projectFolder } from "../helpers/run-cli.js";

interface Schema {
	readonly properties: Readonly<Record<string, { readonly properties?: Readonly<Record<string, unknown>> }>>;
}

const everyVerbHas = ["json", "config", "help"];

/** Command lines of psgl in the shell blocks of a page. */
function commandLines(page: string): readonly string[] {
	const blocks = Array.from(page.matchAll(/```sh\n([\s\S]*?)```/g), ([, block]) => block as string);
	return blocks.flatMap((block) => block.split("\n").filter((line) => /^psgl [a-z]/.test(line)));
}

test("every psgl command line in the documentation names a verb and options that exist", async (t) => {
	const docs = join(projectFolder, "docs");
	const schema = JSON.parse(await readFile(join(docs, "config.schema.json"), "utf8")) as Schema;
	const pages = (await readdir(docs)).filter((name) => name.endsWith(".md")).map((name) => join(docs, name));
	let lines = 0;
	for (const page of [...pages, join(projectFolder, "README.md")]) {
		const text = await readFile(page, "utf8").catch(() => "");
		for (const line of commandLines(text)) {
			lines += 1;
			const [, verb = "", second] = line.split(" ");
			const options = (schema.properties[`${verb} ${second}`] ?? schema.properties[verb])?.properties;
			if (options === undefined) {
				t.fail(`${page}: ${line}: no verb ${verb}`);
				continue;
			}
			for (const [, flag] of line.matchAll(/ --([a-z-]+)/g)) {
				const key = (flag as string).replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
				t.true(key in options || everyVerbHas.includes(key), `${page}: ${line}: no option --${flag}`);
			}
		}
	}
	t.true(lines >= 8, "command lines were found");
});
