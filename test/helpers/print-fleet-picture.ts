/** Takes the picture of a fleet report: `node build/test/helpers/print-fleet-picture.js REPORT.html PICTURE.png [light|dark] [width]`. */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const [report = "fleet.html", picture = "fleet.png", scheme = "light", width = "1100"] = process.argv.slice(2);
const browser = await chromium.launch({
	executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
	args: ["--no-sandbox", "--disable-gpu"],
});
const page = await browser.newPage({
	viewport: { width: Number(width), height: 900 },
	colorScheme: scheme === "dark" ? "dark" : "light",
});
await page.goto(pathToFileURL(resolve(report)).href);
await page.screenshot({ path: picture, fullPage: true });
await browser.close();
