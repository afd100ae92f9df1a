import { createHash } from "node:crypto";
import { tensorBytes } from "@psgl/sdk";
import { artifactTensor, decodeArtifact } from "@psgl/sdk/artifact";

/** SHA-256 (hex) of everything an artifact has learned. */
export async function weightsDigest(bytes: Uint8Array): Promise<string> {
	const artifact = await decodeArtifact(bytes);
	const hash = createHash("sha256");
	for (const name of ["client/params", "client/stats", "client/head", "server/params", "server/stats"]) {
		hash.update(tensorBytes(artifactTensor(artifact, name)));
	}
	return hash.digest("hex");
}
