import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { projectFolder } from "./run-cli.js";

interface LockedPackage {
	readonly license?: string;
	readonly dev?: true;
	readonly link?: true;
}

/** Packages whose package.json has the old field `licenses`, which lock files do not take over. */
const oldForm: Readonly<Record<string, string>> = { memorystream: "MIT" };

const intro = `# Third-party licences

Written by \`npm run licences\` from \`package-lock.json\`; do not edit. Every package that psgl brings along where it is installed, those for other
machines (\`@img/sharp-…\`) among them. Each carries its licence text in its folder below \`node_modules\`; what the direct ones are for is in
[soup.md](soup.md). \`sharp\` loads libvips (LGPL-3.0-or-later) as a library of its own that can be exchanged.
`;

/** The page of licences, docs/licences.md. */
export async function licencesPage(): Promise<string> {
	const lock = JSON.parse(await readFile(join(projectFolder, "package-lock.json"), "utf8")) as {
		readonly packages: Readonly<Record<string, LockedPackage>>;
	};
	const byLicence = new Map<string, Set<string>>();
	for (const [path, { license, dev, link }] of Object.entries(lock.packages)) {
		if (!path.includes("node_modules/") || dev === true || link === true) continue;
		const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
		const licence = license ?? oldForm[name] ?? "none named";
		byLicence.set(licence, (byLicence.get(licence) ?? new Set()).add(name));
	}
	const sections = [...byLicence]
		.sort(([a], [b]) => (a < b ? -1 : 1))
		.map(([licence, names]) => {
			const list = [...names].sort().map((name) => `\`${name}\``);
			return `\n## ${licence}\n\n${list.join(", ")}\n`;
		});
	return intro + sections.join("");
}
