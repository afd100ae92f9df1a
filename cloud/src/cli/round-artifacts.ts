import { mkdir, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError } from "@psgl/sdk";
import { type Artifact, artifactTensor } from "@psgl/sdk/artifact";
import type { RoundWeights } from "../aggregator/aggregator-options.js";
import { trainedArtifact } from "../aggregator/final-artifact.js";
import { writeOutput } from "../files/write-output.js";

/** Names that sort as their rounds do. */
const nameOf = (round: number) => `round-${String(round).padStart(5, "0")}.psgl`;
const isRound = (name: string) => /^round-\d{5,}\.psgl$/.test(name);

/**
 * Writes the joint artifact with the weights after each round into a folder, and at once that of the weights the run began with, as round 0.
 * @throws ConfigError `PSGL_OUTPUT_UNWRITABLE`
 */
export async function roundWriter(
	artifact: Artifact,
	folder: string,
): Promise<(weights: RoundWeights) => Promise<void>> {
	await mkdir(folder, { recursive: true }).catch((cause: Error) => {
		throw new ConfigError("PSGL_OUTPUT_UNWRITABLE", {
			what: `the folder ${folder} cannot be made`,
			got: cause.message,
			remedy: "Choose a folder that may be written to",
			cause,
		});
	});
	const write = async ({ round, client, server }: RoundWeights) => {
		const bytes = await trainedArtifact(artifact, { client, server }, undefined, `after round ${round}`);
		await writeOutput(join(folder, nameOf(round)), bytes);
	};
	const tensor = (name: string) => artifactTensor(artifact, name);
	await write({
		round: 0,
		client: { params: tensor("client/params"), stats: tensor("client/stats"), head: tensor("client/head") },
		server: { params: tensor("server/params"), stats: tensor("server/stats") },
	});
	return write;
}

/** Files of artifacts named with commas between, where a folder stands for the rounds in it, in their order. */
export async function earlierFiles(text: string): Promise<readonly string[]> {
	const files = await Promise.all(
		text.split(",").map(async (path) => {
			if (!(await stat(path).catch(() => undefined))?.isDirectory()) return [path];
			const names = (await readdir(path)).filter(isRound);
			return names.toSorted().map((name) => join(path, name));
		}),
	);
	return files.flat();
}
