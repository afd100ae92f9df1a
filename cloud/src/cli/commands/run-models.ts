import { ConfigError } from "@psgl/sdk";
import { type Root, type SigningKey, signRoot } from "@psgl/sdk/trust";
import { writeOutput } from "../../files/write-output.js";
import { dayMs } from "../../provision/day.js";
import { readRoots, rootsFile, writeRoots } from "../../signing/roots-folder.js";
import { signModel } from "../../signing/sign-model.js";
import { newSigningKey, readSigningKey, requireNew } from "../../signing/signing-keys.js";
import { openArtifact } from "../open-artifact.js";
import type { Output } from "../output.js";
import type { VerbContext } from "../verb.js";

interface InitValues {
	readonly roots: string;
	readonly signers: string;
	readonly threshold: number;
	readonly days: number;
}

/** Keys and the first root. */
export async function runModelsInit(options: InitValues, { output }: VerbContext): Promise<number> {
	const { roots: folder, threshold } = options;
	const signers = distinct(options.signers.split(","));
	requireReachable(threshold, signers.length);
	requireNew(rootsFile(folder));
	const keys = await Promise.all(signers.map(newSigningKey));
	const root: Root = {
		format: 1,
		version: 1,
		expires: after(options.days),
		threshold,
		keys: keys.map(({ name, publicKey }) => ({ name, publicKey })),
	};
	await writeRoots(folder, [await signRoot(root, keys)], keys);
	return tellRoot(output, folder, root);
}

interface SignValues {
	readonly artifact: string;
	readonly roots: string;
	readonly key: string;
	readonly counter?: number | undefined;
	readonly days: number;
	readonly join: boolean;
	readonly output?: string | undefined;
}

/** A release, or one more signature of it. */
export async function runModelsSign(options: SignValues, { output }: VerbContext): Promise<number> {
	const artifact = await openArtifact(options.artifact);
	const facts = { counter: options.counter ?? Math.floor(Date.now() / 1000), expires: after(options.days) };
	const keys = await readKeys(options.key);
	const roots = await readRoots(options.roots);
	const signed = await signModel(artifact, keys, roots, options.join ? undefined : facts);
	const file = options.output ?? options.artifact;
	await writeOutput(file, signed.bytes);
	const { release, signatures, threshold } = signed;
	const missing = Math.max(0, threshold - signatures);
	const state = missing === 0 ? "Devices take it." : `${missing} more must sign it: psgl models sign --join`;
	output.print(`${file}: release ${release.counter}, valid until ${release.expires.slice(0, 10)}. ${state}`);
	const { counter, expires } = release;
	output.result({ artifact: file, counter, expires, signatures, threshold, root: roots.newest.root.version });
	return 0;
}

interface RotateValues {
	readonly roots: string;
	readonly key: string;
	readonly add?: string | undefined;
	readonly remove?: string | undefined;
	readonly threshold?: number | undefined;
	readonly days: number;
}

/** The next root. */
export async function runModelsRotate(options: RotateValues, { output }: VerbContext): Promise<number> {
	const { roots: folder } = options;
	const { documents, newest } = await readRoots(folder);
	const added = distinct(options.add?.split(",") ?? []);
	const removed = options.remove?.split(",") ?? [];
	const kept = newest.root.keys.filter(({ name }) => !removed.includes(name));
	const unknown = removed.find((name) => newest.root.keys.every((key) => key.name !== name));
	if (unknown !== undefined) throw badOption("--remove", unknown, newest.root.keys.map(({ name }) => name).join(", "));
	const taken = added.find((name) => kept.some((key) => key.name === name));
	if (taken !== undefined) throw badOption("--add", taken, "names no signer has");
	const threshold = options.threshold ?? newest.root.threshold;
	requireReachable(threshold, kept.length + added.length);
	const signing = await readKeys(options.key);
	const fresh = await Promise.all(added.map(newSigningKey));
	const root: Root = {
		format: 1,
		version: newest.root.version + 1,
		expires: after(options.days),
		threshold,
		keys: [...kept, ...fresh.map(({ name, publicKey }) => ({ name, publicKey }))],
	};
	await writeRoots(folder, [...documents, await signRoot(root, [...signing, ...fresh])], fresh);
	return tellRoot(output, folder, root);
}

function tellRoot(output: Output, folder: string, { version, threshold, keys, expires }: Root): number {
	const signers = keys.map(({ name }) => name);
	const file = rootsFile(folder);
	output.print(
		`${file}: root ${version}, valid until ${expires.slice(0, 10)}; ${threshold} of ${signers.join(", ")} sign.\nWho has ${threshold} of these keys decides what runs on every device: give each signer theirs, and remove it here.`,
	);
	output.result({ roots: file, version, threshold, signers, expires });
	return 0;
}

function readKeys(files: string): Promise<SigningKey[]> {
	return Promise.all(files.split(",").map((file) => readSigningKey(file.trim())));
}

function after(days: number): string {
	return new Date(Date.now() + days * dayMs).toISOString();
}

function distinct(names: readonly string[]): readonly string[] {
	const twice = names.find((name, i) => names.indexOf(name) !== i);
	if (twice !== undefined) throw badOption("the list of signers", `${twice} twice`, "each name once");
	return names;
}

function requireReachable(threshold: number, signers: number): void {
	if (threshold > signers) throw badOption("--threshold", `${threshold}`, `at most ${signers}, the number of signers`);
}

function badOption(name: string, got: string, expected: string): ConfigError {
	return new ConfigError("PSGL_OPTION", { what: `${name} cannot be used`, got, expected });
}
