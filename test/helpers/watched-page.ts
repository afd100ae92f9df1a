import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { ExecutionContext } from "ava";
import type { AxeResults, RunOptions } from "axe-core";
import type { Browser, Page } from "playwright-core";
import { openPage } from "./chromium.js";

const axeSource = readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export interface Viewport {
	readonly width: number;
	readonly height: number;
}

/** A page in a tab of its own; everything the browser complains of fails the test. */
export async function openWatchedPage(
	t: ExecutionContext,
	browser: Browser,
	address: string,
	viewport: Viewport = { width: 1280, height: 900 },
): Promise<Page> {
	const page = await openPage(browser, address, {
		viewport,
		colorScheme: "light",
		// Colours that are on their way from one scheme to the other have no contrast to measure.
		reducedMotion: "reduce",
	});
	page.setDefaultTimeout(60_000);
	t.teardown(() => page.context().close());
	page.on("pageerror", (error) => t.fail(String(error)));
	page.on("console", (message) => {
		// A refusal that the test asks for is one line of the browser's own.
		if (message.type() === "error" && !message.text().includes("status of")) t.fail(message.text());
	});
	return page;
}

/** Looks for what keeps people out, in both colour schemes. */
export async function requireAccessible(t: ExecutionContext, page: Page, view: string): Promise<void> {
	await page.evaluate(await axeSource);
	for (const colorScheme of ["light", "dark"] as const) {
		await page.emulateMedia({ colorScheme });
		const results = await page.evaluate((options) => {
			const { axe } = globalThis as unknown as { axe: { run(options: RunOptions): Promise<AxeResults> } };
			return axe.run(options);
		}, {} satisfies RunOptions);
		const found = results.violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
		t.deepEqual(found, [], `${view}, ${colorScheme}`);
		t.true(results.passes.length > 10, "axe looked at the page");
	}
	await page.emulateMedia({ colorScheme: "light" });
}
