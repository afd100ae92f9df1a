import { mkdtemp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Artifact } from "@psgl/sdk/artifact";
import { startCloud } from "./cloud.js";
import { runProgram } from "./run-program.js";
import { npyBytes, npzBytes } from "./write-npz.js";

export interface BundledTraining {
	/** Losses of each step, by stream. */
	readonly losses: readonly Readonly<Record<string, number>>[];
	/** Path of the data it trained on. */
	readonly data: string;
	/** Folder of the device's state. */
	readonly state: string;
}

/** Trains three batches with an unpacked device bundle in a process of its own, against an aggregator in this one. */
export async function trainThreeBatches(
	folder: string,
	bundle: string,
	node: string,
	artifact: Artifact,
): Promise<BundledTraining> {
	const own = await mkdtemp(join(folder, "run-"));
	const data = join(own, "data.npz");
	await writeFile(data, brightness());
	const state = join(own, "state");
	// float32: rounding on the wire would hide how far two platforms are apart, or double it.
	const settings = { rounds: 1, batchSize: 8, smashedDtype: "float32", gradientDtype: "float32" } as const;
	await using cloud = await startCloud(artifact, { ...settings, stepTimeoutMs: 240_000, roundTimeoutMs: 240_000 });
	const args = ["device", "--json", "--id", "ward-3", "--url", cloud.url, "--data", data, "--state", state];
	const { stdout } = await runProgram(join(bundle, "psgl"), args, {
		cwd: own,
		env: { PATH: process.env.PATH, PSGL_NODE: node },
	});
	const events = stdout
		.trimEnd()
		.split("\n")
		.map((line) => JSON.parse(line) as { readonly type: string; readonly losses: Readonly<Record<string, number>> });
	return { losses: events.filter(({ type }) => type === "step").map(({ losses }) => losses), data, state };
}

/** Two classes of [16,16], told apart by their brightness: 24 samples to train on, 8 to validate, 8 to test. */
function brightness(): Uint8Array {
	const arrays: Record<string, Uint8Array> = {};
	for (const [name, count] of Object.entries({ train: 24, val: 8, test: 8 })) {
		const labels = Uint8Array.from({ length: count }, (_, i) => i % 2);
		const images = Uint8Array.from({ length: count * 256 }, (_, i) => (Math.floor(i / 256) % 2) * 120 + ((i * 7) % 90));
		arrays[`${name}_images`] = npyBytes("|u1", [count, 16, 16], images);
		arrays[`${name}_labels`] = npyBytes("|u1", [count, 1], labels);
	}
	return npzBytes(arrays);
}
