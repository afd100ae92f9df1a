import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { InstalledPackage } from "./installed-package.js";

/** Licence and notice texts of packages, which have to go where their code goes, in one text. */
export async function licenceTexts(packages: readonly InstalledPackage[]): Promise<string> {
	const parts: string[] = [];
	const named = new Map(packages.map((used) => [`${used.name} ${used.version}`, used]));
	for (const [title, { folder, license }] of [...named].sort(([a], [b]) => (a < b ? -1 : 1))) {
		const files = (await readdir(folder)).filter((file) => /^(licen[cs]e|notice|copying)/i.test(file)).sort();
		const texts = await Promise.all(files.map((file) => readFile(join(folder, file), "utf8")));
		parts.push(`${title} (${license ?? "see its package"})\n\n${texts.join("\n\n")}`);
	}
	return `${parts.join(`\n\n${"-".repeat(80)}\n\n`)}\n`;
}
