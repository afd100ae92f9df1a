/** Unpacks the packed files below a folder in their places: the part of `install.sh` that needs Node.js. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliDecompressSync } from "node:zlib";
import { restoreBranches } from "./branch-addresses.js";
import { packedSuffixes } from "./packed-suffixes.js";

const [, , folder = "."] = process.argv;
for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
	const path = join(entry.parentPath, entry.name);
	const suffix = Object.values(packedSuffixes).find((known) => path.endsWith(known));
	if (suffix === undefined) continue;
	const bytes = brotliDecompressSync(readFileSync(path));
	writeFileSync(path.slice(0, -suffix.length), suffix === packedSuffixes.x86 ? restoreBranches(bytes) : bytes);
	rmSync(path);
}
