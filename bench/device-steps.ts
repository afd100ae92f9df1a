/**
 * A device's side of training in a process of its own, for bench/memory.ts: client segment of the artifact's client half,
 * `client/forward` and `client/train` step after step, with a gradient from elsewhere and weights that move.
 *
 *     node build/bench/device-steps.js ARTIFACT BATCH STEPS
 *
 * Prints one line of JSON each 1,000 steps and at the end: steps, resident memory and its peak in MiB.
 */
import { readFile } from "node:fs/promises";
import { ClientSegment, elementCount, scalar, seededRandom, type Tensor, tensor, zeros } from "@psgl/sdk";
import { artifactTensor, decodeArtifact, optimiserStateLength } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";

const [path, batchSize, steps] = process.argv.slice(2) as [string, string, string];
const artifact = await decodeArtifact(await readFile(path));
const { manifest } = artifact;
const batch = Number(batchSize);
const random = seededRandom(1);
await using segment = new ClientSegment(nodeRuntime, artifact, "");
const dims = [batch, ...manifest.inputShape];
const uniform = Float32Array.from({ length: elementCount(dims) }, () => random.uniform());
let state: Record<string, Tensor> = {
	params: artifactTensor(artifact, "client/params"),
	head: artifactTensor(artifact, "client/head"),
	stats: artifactTensor(artifact, "client/stats"),
	slots: zeros("float32", [optimiserStateLength(manifest, "client")]),
	headSlots: zeros("float32", [optimiserStateLength(manifest, "head")]),
};
const fixed = {
	x: tensor("float32", dims, uniform),
	y: tensor(
		"int64",
		[batch],
		BigInt64Array.from({ length: batch }, () => BigInt(random.integer(2))),
	),
	budget: scalar(0.5),
	learningRate: scalar(1e-5),
	headLearningRate: scalar(1e-4),
	cutGradient: tensor(
		"float32",
		[batch, ...manifest.smashedShape],
		Float32Array.from({ length: batch * elementCount(manifest.smashedShape) }, () => random.normal() * 1e-3),
	),
};
const mebibytes = (bytes: number) => Number((bytes / 2 ** 20).toFixed(1));

for (let step = 1; step <= Number(steps); step++) {
	const feeds = { ...fixed, ...state, step: scalar(step) };
	using pass = await segment.forward(feeds, true);
	const next = await segment.train({ ...feeds, map: pass.map as Tensor }, pass);
	state = Object.fromEntries(Object.keys(state).map((name) => [name, next[`next_${name}`] as Tensor]));
	if (step % 1000 !== 0 && step !== Number(steps)) continue;
	const memory = { resident: mebibytes(process.memoryUsage.rss()), peak: process.resourceUsage().maxRSS / 1024 };
	console.log(JSON.stringify({ step, ...memory }));
}
