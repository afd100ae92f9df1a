import { createHash } from "node:crypto";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { clientHalf } from "@psgl/models";
import type { Artifact } from "@psgl/sdk/artifact";
import { create } from "tar";
import { billOfMaterials } from "./bill-of-materials.js";
import { writeDeviceScript } from "./device-script.js";
import { installedSums, installScript, nodeFile, startScript, systemdUnit } from "./install-files.js";
import { licenceTexts } from "./licence-texts.js";
import type { NodeProgram } from "./node-program.js";
import { isWorthPacking, packFile } from "./pack-file.js";
import { copyPlatformPackages } from "./platform-packages.js";
import type { Target } from "./target.js";

export interface BundleOptions {
	readonly target: Target;
	/** Version of psgl. */
	readonly version: string;
	/** With what decodes pictures. */
	readonly sharp?: boolean | undefined;
	/** Folder into which packages of the target's platform were installed, where that is not this machine's. */
	readonly packages?: string | undefined;
	/** A Node.js program for the target, for devices that have none. */
	readonly node?: NodeProgram | undefined;
	/** Packs in seconds instead of minutes, and larger: for trying. */
	readonly quick?: boolean | undefined;
	/** How much of the long files is packed, bytes. */
	readonly onProgress?: ((done: number, total: number) => void) | undefined;
	readonly signal?: AbortSignal | undefined;
}

const executable = ["psgl", "install.sh", nodeFile];

/**
 * Packs what runs on a device, for one platform, and the client half of an artifact: a gzipped tar archive with one folder
 * `psgl-device`. The same input gives the same bytes.
 * @throws ConfigError `PSGL_BUNDLE_PACKAGE` when a package of the target's platform is not installed.
 */
export async function deviceBundle(artifact: Artifact, options: BundleOptions): Promise<Uint8Array> {
	const { target, version, sharp = false, packages, node, quick = false, signal } = options;
	const staging = await mkdtemp(join(tmpdir(), "psgl-bundle-"));
	try {
		const folder = join(staging, "psgl-device");
		await mkdir(folder);
		const from = dirname(fileURLToPath(import.meta.resolve("@psgl/sdk")));
		const native = await copyPlatformPackages(folder, { target, sharp, from, packages });
		signal?.throwIfAborted();
		const joined = await writeDeviceScript(join(folder, "lib", "app"), { sharp });
		signal?.throwIfAborted();
		const parts = [...native, ...joined, ...(node === undefined ? [] : [node.part])];
		const files: Readonly<Record<string, string | Uint8Array>> = {
			// The program reads its version from here.
			"package.json": `${JSON.stringify({ name: "psgl-device", version, private: true, type: "module" })}\n`,
			"model.psgl": await clientHalf(artifact),
			"sbom.cdx.json": billOfMaterials(version, parts),
			"LICENCES.txt": await licenceTexts(parts),
			"psgl-device.service": systemdUnit,
			psgl: startScript,
			"install.sh": installScript(target),
		};
		if (node !== undefined) await writeFile(join(folder, nodeFile), node.bytes);
		for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
		await writeFile(join(folder, installedSums), await checksums(folder));
		await packFiles(folder, options);
		await writeFile(join(folder, "SHA256SUMS"), await checksums(folder));
		return await pack(staging, folder, quick ? 1 : 9);
	} finally {
		await rm(staging, { recursive: true, force: true });
	}
}

/** Puts packed files in the place of those for which it pays. */
async function packFiles(folder: string, { target, quick = false, onProgress, signal }: BundleOptions): Promise<void> {
	const contents = new Map<string, Uint8Array>();
	for (const path of await filesBelow(folder)) {
		const content = await readFile(join(folder, path));
		if (isWorthPacking(path, content.byteLength)) contents.set(path, content);
	}
	const total = [...contents.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
	let done = 0;
	const onPacked = (bytes: number) => {
		done += bytes;
		onProgress?.(done, total);
	};
	for (const [path, content] of contents) {
		const packed = await packFile(path, content, { target, quick, onPacked, signal });
		await writeFile(join(folder, path + packed.suffix), packed.bytes);
		await rm(join(folder, path));
	}
}

/** One line a file, as `sha256sum --check` reads it. */
async function checksums(folder: string): Promise<string> {
	const lines: string[] = [];
	for (const path of await filesBelow(folder)) {
		const digest = createHash("sha256")
			.update(await readFile(join(folder, path)))
			.digest("hex");
		lines.push(`${digest}  ${path}\n`);
	}
	return lines.join("");
}

/** Names in order, one time, one owner, two modes, and a gzip header that names no system. */
async function pack(staging: string, folder: string, level: number): Promise<Uint8Array> {
	const paths = await filesBelow(folder);
	for (const path of paths) await chmod(join(folder, path), executable.includes(path) ? 0o755 : 0o644);
	const archive = create(
		{ cwd: staging, portable: true, mtime: new Date("2000-01-01T12:00:00Z"), gzip: { level, portable: true } },
		paths.map((path) => `psgl-device/${path}`),
	);
	return new Uint8Array(await archive.concat());
}

async function filesBelow(folder: string): Promise<readonly string[]> {
	const entries = await readdir(folder, { recursive: true, withFileTypes: true });
	const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
	return files.map((file) => relative(folder, file)).sort();
}
