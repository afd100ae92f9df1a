import { cp, mkdir, readdir } from "node:fs/promises";
import { dirname, extname, join, relative, sep } from "node:path";
import { ConfigError } from "@psgl/sdk";
import { findPackage, type InstalledPackage } from "./installed-package.js";
import { architecture, type Target } from "./target.js";

export interface PlatformOptions {
	readonly target: Target;
	readonly sharp: boolean;
	/** Folder of the package that needs them: `@psgl/sdk`. */
	readonly from: string;
	/** Folder into which the packages of another platform were installed. */
	readonly packages: string | undefined;
}

/** Native libraries of packages that bring those of every platform, by package; glibc only, as Raspberry Pi OS and Debian have it. */
const libraries: Readonly<Record<Target, Readonly<Record<string, readonly string[]>>>> = {
	"linux-arm64": {
		"classic-level": ["prebuilds/linux-arm64/classic-level.armv8.node"],
		"onnxruntime-node": ["bin/napi-v6/linux/arm64/libonnxruntime.so.1"],
	},
	"linux-x64": {
		"classic-level": ["prebuilds/linux-x64/classic-level.node"],
		"onnxruntime-node": ["bin/napi-v6/linux/x64/libonnxruntime.so.1"],
	},
};

const scripts = [".js", ".cjs", ".mjs", ".json"];

/** Copies the packages with native code, for one platform, into `node_modules` of a folder; resolves to what they are. */
export async function copyPlatformPackages(
	folder: string,
	options: PlatformOptions,
): Promise<readonly InstalledPackage[]> {
	const { target, from } = options;
	const copied = new Map<string, InstalledPackage>();
	const copy = async (name: string, above: string, isWanted: (path: string) => boolean) => {
		if (copied.has(name)) return;
		const found = await requirePackage(name, above);
		copied.set(name, found);
		await copyFiles(found, join(folder, "node_modules", name), isWanted);
		for (const needed of found.dependencies) await copy(needed, found.folder, isScript);
	};
	// Its own JavaScript and binding are not used: psgl calls the library itself.
	const runtime = await requirePackage("onnxruntime-node", from);
	copied.set(runtime.name, runtime);
	const [library = ""] = libraries[target]["onnxruntime-node"] ?? [];
	await copyFiles(runtime, join(folder, "node_modules", runtime.name), (path) =>
		["package.json", library].includes(path),
	);
	await copy("classic-level", from, (path) => isScript(path) || isLibrary(target, "classic-level", path));
	await copy("koffi", from, isScript);
	const natives = [["koffi", `@koromix/koffi-${target}`]];
	if (options.sharp) {
		await copy("sharp", from, isScript);
		natives.push(["sharp", `@img/sharp-${target}`], ["sharp", `@img/sharp-libvips-${target}`]);
	}
	for (const [user = "", name = ""] of natives) {
		const needed = copied.get(user) as InstalledPackage;
		const found = await platformPackage(name, needed, options);
		copied.set(name, found);
		await copyFiles(found, join(folder, "node_modules", name), (path) => !path.startsWith("musl"));
	}
	return [...copied.values()];
}

const isScript = (path: string): boolean =>
	scripts.includes(extname(path)) && !/(^|\/)(prebuilds|deps|test|tests|doc|docs|vendor|cnoke\.cjs)(\/|$)/.test(path);

const isLibrary = (target: Target, name: string, path: string): boolean =>
	libraries[target][name]?.includes(path) ?? false;

/** A package of the target's platform alone, in the version that the package using it asks for. */
async function platformPackage(
	name: string,
	user: InstalledPackage,
	options: PlatformOptions,
): Promise<InstalledPackage> {
	const { packages, from, target } = options;
	const version = user.optional[name];
	const found = (packages && (await findPackage(name, packages))) || (await findPackage(name, from));
	if (found !== undefined && found.version === version) return found;
	const cpu = architecture(target);
	throw new ConfigError("PSGL_BUNDLE_PACKAGE", {
		what: `${name}, which the device needs, is not installed here`,
		got: found === undefined ? "none" : `version ${found.version}`,
		expected: `version ${version}`,
		remedy: `Run npm install --prefix DIR --ignore-scripts --os linux --cpu ${cpu} --libc glibc ${user.name}@${user.version} and give --packages DIR`,
	});
}

async function requirePackage(name: string, from: string): Promise<InstalledPackage> {
	const found = await findPackage(name, from);
	if (found !== undefined) return found;
	throw new ConfigError("PSGL_BUNDLE_PACKAGE", {
		what: `${name}, which the device needs, is not installed here`,
		remedy: "Install psgl again",
	});
}

/** Files of a package, not of packages inside it, by their paths with `/`. */
async function copyFiles(source: InstalledPackage, to: string, isWanted: (path: string) => boolean): Promise<void> {
	for (const entry of await readdir(source.folder, { recursive: true, withFileTypes: true })) {
		if (!entry.isFile()) continue;
		const file = join(entry.parentPath, entry.name);
		const path = relative(source.folder, file).split(sep).join("/");
		if (path.startsWith("node_modules/") || !isWanted(path)) continue;
		const target = join(to, path);
		await mkdir(dirname(target), { recursive: true });
		await cp(file, target);
	}
}
