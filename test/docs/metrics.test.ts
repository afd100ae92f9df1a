import { readFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { metricsPage } from "../helpers/metrics-page.js";
import { projectFolder } from "../helpers/run-cli.js";

test("docs/metrics.md has every metric, as the sources have it", async (t) => {
	const page = await metricsPage();
	t.is(await readFile(join(projectFolder, "docs/metrics.md"), "utf8"), page, "run npm run metrics-table");
	t.regex(page, /`psgl_payload_bytes_total` \| counter \| bytes \| direction/);
});
