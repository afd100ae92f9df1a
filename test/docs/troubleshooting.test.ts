import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { projectFolder } from "../helpers/run-cli.js";

const packages = ["sdk", "models", "cloud", "firmware-sim"];

async function errorCodes(): Promise<ReadonlySet<string>> {
	const codes = new Set<string>();
	for (const name of packages) {
		const source = join(projectFolder, name, "src");
		for (const file of await readdir(source, { recursive: true })) {
			if (!file.endsWith(".ts")) continue;
			const text = await readFile(join(source, file), "utf8");
			for (const [, code] of text.matchAll(/"(PSGL_[A-Z0-9_]+)"/g)) codes.add(code as string);
		}
	}
	return codes;
}

test("docs/troubleshooting.md tells of every error code, and of no other", async (t) => {
	const text = await readFile(join(projectFolder, "docs/troubleshooting.md"), "utf8");
	const told = new Set(Array.from(text.matchAll(/^\| `(PSGL_[A-Z0-9_]+)` \|/gm), ([, code]) => code as string));
	const thrown = await errorCodes();
	t.deepEqual([...thrown].filter((code) => !told.has(code)).sort(), [], "codes the page lacks");
	t.deepEqual([...told].filter((code) => !thrown.has(code)).sort(), [], "codes nothing throws");
});
