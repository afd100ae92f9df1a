import { once } from "node:events";
import { createReadStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import test, { type ExecutionContext, type Implementation } from "ava";
import type { Browser, Page } from "playwright-core";
import { build } from "vite";
import { openBrowser, openPage } from "./chromium.js";
import { withPrograms } from "./outside-program.js";

const types: Readonly<Record<string, string>> = {
	".html": "text/html",
	".js": "text/javascript",
	".mjs": "text/javascript",
	".css": "text/css",
	".wasm": "application/wasm",
};

const isolation = {
	"Cross-Origin-Opener-Policy": "same-origin",
	"Cross-Origin-Embedder-Policy": "require-corp",
};

/** A page's files, on a port of their own. */
export interface Site {
	/** `http://127.0.0.1:port` */
	readonly origin: string;
	/** Folder of the built files. */
	readonly folder: string;
}

/** Path of a folder of this repository. */
function sourceFolder(path: string): string {
	return fileURLToPath(new URL(`../../../${path}`, import.meta.url));
}

/** A page of this repository in a real browser, for the tests of one file. */
export interface BrowserSite {
	/** `test`, where Chromium is installed. */
	readonly test: (title: string, run: Implementation<[]>) => void;
	/** Where it is served. */
	readonly site: () => Site;
	/** The tab that all tests of the file share. */
	readonly page: () => Promise<Page>;
	/** Opens it in a tab with a profile of its own until the test ends; what the page complains of is the test's log. */
	readonly open: (t: ExecutionContext) => Promise<Page>;
}

/**
 * Builds the page in `path`, a folder of this repository with an index.html, and serves it while a file's tests run.
 * @param isolated whether with the headers that browsers want before they share memory between threads
 */
export function browserSite(path: string, isolated = true): BrowserSite {
	let served: (Site & AsyncDisposable) | undefined;
	let browser: Browser | undefined;
	test.before(async () => {
		served = await serveSite(path, isolated);
		browser = await openBrowser();
	});
	test.after.always(async () => {
		await browser?.close();
		await served?.[Symbol.asyncDispose]();
	});
	const site = () => served as Site;
	let shared: Promise<Page> | undefined;
	return {
		test: withPrograms("chromium"),
		site,
		page: () => {
			shared ??= openPage(browser as Browser, site().origin);
			return shared;
		},
		async open(t) {
			const page = await openPage(browser as Browser, site().origin);
			t.teardown(() => page.context().close());
			page.on("pageerror", (error) => t.log(error));
			page.on("console", (message) => {
				if (message.type() === "error" || message.type() === "warning") t.log(message.text());
			});
			return page;
		},
	};
}

async function serveSite(path: string, isolated: boolean): Promise<Site & AsyncDisposable> {
	const folder = await mkdtemp(join(tmpdir(), "psgl-site-"));
	await build({
		root: sourceFolder(path),
		configFile: sourceFolder("examples/browser/vite.config.ts"),
		logLevel: "error",
		build: { outDir: folder, emptyOutDir: true },
	});
	const server = createServer((request, response) => {
		const { pathname } = new URL(request.url ?? "/", "http://localhost");
		const file = join(folder, normalize(pathname === "/" ? "/index.html" : pathname));
		const stream = createReadStream(file);
		stream.on("error", () => response.writeHead(404).end());
		stream.on("open", () => {
			const type = types[extname(file)] ?? "application/octet-stream";
			response.writeHead(200, { "Content-Type": type, ...(isolated && isolation) });
			stream.pipe(response);
		});
	});
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	return {
		origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
		folder,
		async [Symbol.asyncDispose]() {
			server.closeAllConnections();
			server.close();
			await rm(folder, { recursive: true, force: true });
		},
	};
}
