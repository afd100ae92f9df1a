import { type ExportOptions, exportModel } from "@psgl/models";
import { removeLeftovers } from "../../files/remove-leftovers.js";
import { writeOutput } from "../../files/write-output.js";
import { formatBytes } from "../format.js";
import { openArtifact } from "../open-artifact.js";
import type { VerbContext } from "../verb.js";

interface ExportValues extends ExportOptions {
	readonly artifact: string;
	readonly output: string;
}

/** Joins, writes the file and says what is in it. */
export async function runExport(options: ExportValues, { output, signal }: VerbContext): Promise<number> {
	const artifact = await openArtifact(options.artifact);
	const bytes = exportModel(artifact, options);
	signal.throwIfAborted();
	await removeLeftovers(options.output);
	await writeOutput(options.output, bytes);
	const { inputShape, classes } = artifact.manifest;
	output.print(
		`Written: ${options.output}, ${formatBytes(bytes.byteLength)}; x [B,${inputShape.join(",")}] in [0,1] -> probabilities [B,${classes.length}]`,
	);
	output.result({ output: options.output, bytes: bytes.byteLength, inputShape, classes });
	return 0;
}
