import { clientHalf, withWeights } from "@psgl/models";
import { Device } from "@psgl/sdk";
import { type Artifact, artifactTensor, decodeArtifact, sha256 } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { Dataset } from "@psgl/sdk/sources";
import { startCloud } from "./cloud.js";
import { smallDataset, smallModel } from "./small-model.js";

/** Joint artifacts of three models for the same data, and data a device has. */
export interface TriedModels {
	readonly stable: Artifact;
	readonly stableBytes: Uint8Array;
	/** Its local head decides as the stable one's; its server segment does not. */
	readonly good: Artifact;
	readonly goodBytes: Uint8Array;
	/** Its local head decides the other way round, so that every device rejects it. */
	readonly badBytes: Uint8Array;
	/** Labelled as the stable model's local head decides. */
	readonly data: Dataset;
}

export async function triedModels(): Promise<TriedModels> {
	const { joint } = await smallModel();
	const change = (names: readonly string[], factor: number, note: string) => {
		const changed = names.map((name) => {
			const tensor = artifactTensor(joint, name);
			return [name, { ...tensor, data: tensor.data.map((value) => factor * value) }] as const;
		});
		return withWeights(joint, new Map(changed), note);
	};
	const stableBytes = await change([], 1, "stable");
	const stable = await decodeArtifact(stableBytes);
	const goodBytes = await change(["server/params"], 1.5, "good");
	const badBytes = await change(["client/head"], -1, "bad");
	const { samples, shape, classes } = smallDataset(16);
	await using cloud = await startCloud(stable, { rounds: 0 });
	await using device = await Device.connect({ url: cloud.url, id: "labels", runtime: nodeRuntime });
	await device.ready();
	await cloud.broker.close();
	const all = smallDataset(16).batch(Uint32Array.from({ length: 16 }, (_, i) => i)).x;
	const { classes: labels } = await device.infer(all);
	const data = new Dataset({ shape, classes, samples, labels });
	return { stable, stableBytes, good: await decodeArtifact(goodBytes), goodBytes, badBytes, data };
}

/** Digest by which devices know a model. */
export async function clientDigest(joint: Artifact): Promise<string> {
	return sha256(await clientHalf(joint));
}
