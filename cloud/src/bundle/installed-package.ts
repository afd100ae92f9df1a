import { readFile } from "node:fs/promises";
import { dirname, join, sep } from "node:path";

/** A package that is installed here. */
export interface InstalledPackage {
	readonly folder: string;
	readonly name: string;
	readonly version: string;
	readonly license: string | undefined;
	/** Names of what it needs, and of what it needs on one platform only with the version. */
	readonly dependencies: readonly string[];
	readonly optional: Readonly<Record<string, string>>;
}

interface PackageFile {
	readonly name: string;
	readonly version: string;
	readonly license?: string;
	readonly dependencies?: Readonly<Record<string, string>>;
	readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** Looks for a package as Node.js does, in the `node_modules` of `from` and of the folders above; undefined where none has it. */
export async function findPackage(name: string, from: string): Promise<InstalledPackage | undefined> {
	for (let folder = from; ; folder = dirname(folder)) {
		const found = await readPackage(join(folder, "node_modules", ...name.split("/")));
		if (found !== undefined) return found;
		if (dirname(folder) === folder) return undefined;
	}
}

/** The package a file of `node_modules` is of; undefined for files outside. */
export async function packageOf(file: string): Promise<InstalledPackage | undefined> {
	const marker = `${sep}node_modules${sep}`;
	const at = file.lastIndexOf(marker);
	if (at < 0) return undefined;
	const [first = "", second = ""] = file.slice(at + marker.length).split(sep);
	return readPackage(join(file.slice(0, at), "node_modules", first, first.startsWith("@") ? second : ""));
}

async function readPackage(folder: string): Promise<InstalledPackage | undefined> {
	let text: string;
	try {
		text = await readFile(join(folder, "package.json"), "utf8");
	} catch {
		return undefined;
	}
	const { name, version, license, dependencies = {}, optionalDependencies = {} } = JSON.parse(text) as PackageFile;
	return {
		folder,
		name,
		version,
		license,
		dependencies: Object.keys(dependencies).filter((key) => !(key in optionalDependencies)),
		optional: optionalDependencies,
	};
}
