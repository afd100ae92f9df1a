import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { ConfigError } from "@psgl/sdk";
import type { InstalledPackage } from "./installed-package.js";
import type { Target } from "./target.js";

/** A Node.js program to go into a bundle. */
export interface NodeProgram {
	readonly bytes: Uint8Array;
	/** For the bill of materials and the licence texts, which lie beside the program where Node.js is unpacked as it is released. */
	readonly part: InstalledPackage;
}

/** `e_machine` of the ELF header (System V ABI, gABI chapter 4). */
const machines: Readonly<Record<Target, number>> = { "linux-arm64": 183, "linux-x64": 62 };
const machineOffset = 18;

/** Node.js names the archive of its own source: its version can be read without running it. */
const ownSource = /\/node-v(\d+)\.(\d+)\.(\d+)\.tar\.gz/;

/**
 * Reads a Node.js program.
 * @throws ConfigError `PSGL_BUNDLE_NODE` when it is none for the platform, or older than psgl needs
 */
export async function readNodeProgram(path: string, target: Target): Promise<NodeProgram> {
	let bytes: Buffer;
	try {
		bytes = await readFile(path);
	} catch (cause) {
		throw notNode(path, target, (cause as Error).message, cause);
	}
	const isElf = bytes.subarray(0, 4).equals(Buffer.from("\x7fELF", "latin1"));
	if (!isElf || bytes.readUInt16LE(machineOffset) !== machines[target]) {
		throw notNode(path, target, isElf ? "a program for another processor" : "no program");
	}
	const [, major, minor, patch] = versionIn(bytes) ?? [];
	if (major === undefined) throw notNode(path, target, "a program that names no version of Node.js");
	if (Number(major) < 20 || (major === "20" && Number(minor) < 19)) {
		throw notNode(path, target, `Node.js ${major}.${minor}.${patch}`);
	}
	return {
		bytes,
		part: {
			folder: dirname(dirname(path)),
			name: "node",
			version: `${major}.${minor}.${patch}`,
			license: "MIT",
			dependencies: [],
			optional: {},
		},
	};
}

/** Its text lies anywhere in the program, which is looked through without a copy of it as text. */
function versionIn(bytes: Buffer): RegExpExecArray | null {
	for (let at = bytes.indexOf("/node-v"); at >= 0; at = bytes.indexOf("/node-v", at + 1)) {
		const found = ownSource.exec(bytes.toString("latin1", at, at + 40));
		if (found !== null) return found;
	}
	return null;
}

function notNode(path: string, target: Target, got: string, cause?: unknown): ConfigError {
	return new ConfigError("PSGL_BUNDLE_NODE", {
		what: `${path} cannot go into a bundle for ${target} as its Node.js`,
		got,
		expected: `Node.js 20.19 or later for ${target}`,
		remedy: `Unpack the ${target} archive of nodejs.org and give --with-node its bin/node`,
		cause,
	});
}
