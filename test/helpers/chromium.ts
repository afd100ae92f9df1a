import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { findProgram } from "./find-program.js";

/** Milliseconds a page may take for anything: the machine has other work. A test's own limit comes first. */
const patienceMs = 240_000;

/** Opens a Chromium of its own with a pretended camera. */
export function openBrowser(): Promise<Browser> {
	return chromium.launch({
		executablePath: findProgram("chromium") as string,
		args: [
			"--no-sandbox",
			"--disable-gpu",
			"--disable-quic",
			"--no-first-run",
			"--disable-background-networking",
			"--disable-component-update",
			"--disable-sync",
			"--use-fake-device-for-media-stream",
			"--use-fake-ui-for-media-stream",
		],
	});
}

/** Opens an address in a tab with a profile of its own. */
export async function openPage(browser: Browser, address: string, context: BrowserContextOptions = {}): Promise<Page> {
	const page = await (await browser.newContext(context)).newPage();
	page.setDefaultTimeout(patienceMs);
	await page.goto(address);
	return page;
}
