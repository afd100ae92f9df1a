import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { storeFeatures } from "@psgl/cloud";
import test from "ava";
import { projectFolder } from "../helpers/run-cli.js";

test("docs/deployment.md has the table of what psgl builds on in NATS", async (t) => {
	const page = await readFile(join(projectFolder, "docs/deployment.md"), "utf8");
	for (const { feature, since } of storeFeatures) t.true(page.includes(`| ${feature} | ${since} |`), feature);
});
