/**
 * What the compiler estimates that training takes on a device, beside what three steps really take (high-water mark of the resident set
 * over what the process took before): `node --expose-gc build/bench/training-memory.js [NETWORK] [BATCH]`. Linux only.
 */
import { readFileSync } from "node:fs";
import { compileArtifact, presetDefinition, zooNetwork } from "@psgl/models";
import { ClientSegment, dropoutSeed, labelTensor, scalar, seededRandom, zeros } from "@psgl/sdk";
import { artifactTensor, optimiserStateLength } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";

const MiB = 2 ** 20;
const [network = "lenet", size = "64"] = process.argv.slice(2);
const batch = Number(size);
const shape = network === "ecg-1d" ? [1, 192] : [3, 64, 64];
const random = seededRandom(1);
const definition = presetDefinition("robust", zooNetwork(network), shape, ["a", "b"]);
const artifact = await compileArtifact(definition, { name: "bench", random });
const { memory, smashedShape } = artifact.manifest;
const weights = Object.fromEntries(
	["params", "stats", "head"].map((name) => [name, artifactTensor(artifact, `client/${name}`)]),
);
const slots = zeros("float32", [optimiserStateLength(artifact.manifest, "client")]);
const headSlots = zeros("float32", [optimiserStateLength(artifact.manifest, "head")]);
await using segment = new ClientSegment(nodeRuntime, artifact, "bench");
globalThis.gc?.();
const before = process.memoryUsage.rss();
const x = zeros("float32", [batch, ...shape]);
for (let step = 1; step <= 3; step++) {
	const inputs = {
		...weights,
		slots,
		headSlots,
		x,
		delta: x,
		step: scalar(step),
		budget: scalar(1),
		dropoutSeed: dropoutSeed(random, step),
	};
	using pass = await segment.forward(inputs, true);
	const feeds = {
		...inputs,
		...(pass.map && { map: pass.map }),
		y: labelTensor(new Array(batch).fill(0)),
		cutGradient: zeros("float32", [batch, ...smashedShape]),
		learningRate: scalar(0.01),
		headLearningRate: scalar(0.01),
		robustBudget: scalar(0.03),
	};
	await segment.train(feeds, pass);
}
const [, peakKiB = "0"] = /VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
const measured = Number(peakKiB) * 1024 - before;
const estimated = (memory?.fixedBytes ?? 0) + batch * (memory?.sampleBytes ?? 0);
const rounded = (bytes: number) => Math.round(bytes / MiB);
console.log(
	JSON.stringify({
		network,
		batch,
		estimatedMiB: rounded(estimated),
		measuredMiB: rounded(measured),
		ratio: measured / estimated,
	}),
);
