import { browserSite } from "../helpers/browser.js";
import { callPage } from "../helpers/page-calls.js";

const { test, page } = browserSite("test/browser/page", false);

test("a page without the headers runs on one thread, and says what is missing", async (t) => {
	const found = await callPage<{ threads: number; warnings: string[]; isolated: boolean }>(await page(), "runtime", {
		provider: "wasm",
		threads: 2,
	});
	t.false(found.isolated);
	t.is(found.threads, 1);
	t.is(found.warnings.length, 1);
	t.regex(found.warnings[0] ?? "", /Cross-Origin-Embedder-Policy/);
});
