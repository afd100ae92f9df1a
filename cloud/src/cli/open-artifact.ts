import { readFile } from "node:fs/promises";
import { ArtifactError } from "@psgl/sdk";
import { type Artifact, decodeArtifact } from "@psgl/sdk/artifact";

/** Reads an artifact file. @throws ArtifactError `PSGL_ARTIFACT_UNREADABLE` and as `decodeArtifact`. */
export async function openArtifact(path: string): Promise<Artifact> {
	let bytes: Uint8Array;
	try {
		bytes = await readFile(path);
	} catch (cause) {
		throw new ArtifactError("PSGL_ARTIFACT_UNREADABLE", {
			what: `the artifact ${path} cannot be read`,
			got: (cause as Error).message,
			remedy: "Check the path; psgl compile makes an artifact",
			cause,
		});
	}
	return decodeArtifact(bytes);
}
