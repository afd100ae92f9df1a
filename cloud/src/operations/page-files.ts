import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { extname, join, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { ConfigError } from "@psgl/sdk";

/** Folder that `npm run build` puts the page into. */
export const builtPage = fileURLToPath(new URL("../web", import.meta.url));

const types: Readonly<Record<string, string>> = {
	".html": "text/html; charset=utf-8",
	".js": "text/javascript; charset=utf-8",
	".css": "text/css; charset=utf-8",
	".svg": "image/svg+xml",
	".txt": "text/plain; charset=utf-8",
};

/** The page loads nothing from elsewhere, runs no script of a text, and stands in no frame. */
const headers = {
	"Content-Security-Policy":
		"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	"X-Content-Type-Options": "nosniff",
	"Referrer-Policy": "no-referrer",
	"Cross-Origin-Opener-Policy": "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
} as const;

interface PageFile {
	readonly bytes: Buffer;
	readonly type: string;
	readonly tag: string;
}

/** The built page, in memory: nothing a request says is ever a path of this machine. */
export class PageFiles {
	readonly #files: ReadonlyMap<string, PageFile>;

	private constructor(files: ReadonlyMap<string, PageFile>) {
		this.#files = files;
	}

	/** @throws ConfigError `PSGL_PAGE_MISSING` when it was not built. */
	static async read(folder: string): Promise<PageFiles> {
		const names = await readdir(folder, { recursive: true }).catch((): string[] => []);
		const files = new Map<string, PageFile>();
		for (const name of names) {
			const type = types[extname(name)];
			if (type === undefined) continue;
			const bytes = await readFile(join(folder, name));
			const tag = `"${createHash("sha256").update(bytes).digest("base64url")}"`;
			files.set(`/${name.split(sep).join("/")}`, { bytes, type, tag });
		}
		const index = files.get("/index.html");
		if (index === undefined) {
			throw new ConfigError("PSGL_PAGE_MISSING", {
				what: "the operations page was not built",
				got: `no index.html in ${folder}`,
				remedy: "Build it with npm run build, or leave --web-port away",
			});
		}
		files.set("/", index);
		return new PageFiles(files);
	}

	/** @returns false when there is no such file */
	answer(request: IncomingMessage, response: ServerResponse, path: string): boolean {
		const file = this.#files.get(path);
		if (file === undefined || (request.method !== "GET" && request.method !== "HEAD")) return false;
		const { bytes, type, tag } = file;
		// Names under assets change with their contents.
		const cache = path.startsWith("/assets/") ? "public, max-age=31536000, immutable" : "no-cache";
		const common = { ...headers, "Cache-Control": cache, ETag: tag };
		if (request.headers["if-none-match"] === tag) response.writeHead(304, common).end();
		else {
			response.writeHead(200, { ...common, "Content-Type": type, "Content-Length": bytes.length });
			response.end(request.method === "HEAD" ? undefined : bytes);
		}
		return true;
	}
}
