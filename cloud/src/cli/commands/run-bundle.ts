import { resolve } from "node:path";
import { deviceBundle } from "../../bundle/device-bundle.js";
import { readNodeProgram } from "../../bundle/node-program.js";
import type { Target } from "../../bundle/target.js";
import { removeLeftovers } from "../../files/remove-leftovers.js";
import { writeOutput } from "../../files/write-output.js";
import { formatBytes } from "../format.js";
import { openArtifact } from "../open-artifact.js";
import type { VerbContext } from "../verb.js";
import { version } from "../version.js";

interface BundleValues {
	readonly artifact: string;
	readonly target: Target;
	readonly withSharp: boolean;
	readonly packages?: string | undefined;
	readonly withNode?: string | undefined;
	readonly quick: boolean;
	readonly output: string;
}

/** Packs, writes the archive and says how large it is. */
export async function runBundle(options: BundleValues, { output, signal }: VerbContext): Promise<number> {
	const { target, withSharp: sharp, packages, withNode, quick } = options;
	const artifact = await openArtifact(options.artifact);
	const node = withNode === undefined ? undefined : await readNodeProgram(withNode, target);
	const progress = output.progress("Packing", 100);
	const bytes = await deviceBundle(artifact, {
		target,
		version,
		sharp,
		packages: packages && resolve(packages),
		node,
		quick,
		onProgress: (done, total) => progress.update(Math.floor((100 * done) / total)),
		signal,
	}).finally(() => progress.stop());
	signal.throwIfAborted();
	await removeLeftovers(options.output);
	await writeOutput(options.output, bytes);
	output.print(`Written: ${options.output}, ${formatBytes(bytes.byteLength)}, for ${target}`);
	output.result({ output: options.output, bytes: bytes.byteLength, target });
	return 0;
}
