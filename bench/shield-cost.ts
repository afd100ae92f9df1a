/**
 * What the shield costs the device, beside the same network without it: time of a training step and of one record, weights, and
 * bytes that leave. Both sides take turns in the same minutes.
 *
 *   node build/bench/shield-cost.js [--input 1x28x28] [--classes 2] [--model lenet] [--turns 30]
 */
import { parseArgs } from "node:util";
import { compileArtifact, type PrivacyMode, presetDefinition, zooNetwork } from "@psgl/models";
import { elementCount, labelTensor, type Session, scalar, seededRandom, type Tensors, tensor, zeros } from "@psgl/sdk";
import { type Artifact, artifactGraph, artifactTensor, optimiserStateLength } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { paired, type Timed, timed } from "./paired.js";

const { values: options } = parseArgs({
	options: {
		input: { type: "string", default: "1x28x28" },
		classes: { type: "string", default: "2" },
		model: { type: "string", default: "lenet" },
		turns: { type: "string", default: "10" },
	},
});

const batchSize = 32;
const shape = options.input.split("x").map(Number);
const classes = Array.from({ length: Number(options.classes) }, (_, k) => `class ${k}`);

function feedsOf(artifact: Artifact, count: number): Tensors {
	const { manifest } = artifact;
	const random = seededRandom(count);
	const x = Float32Array.from({ length: count * elementCount(shape) }, () => random.uniform());
	return {
		x: tensor("float32", [count, ...shape], x),
		y: labelTensor(Int32Array.from({ length: count }, (_, n) => n % classes.length)),
		params: artifactTensor(artifact, "client/params"),
		stats: artifactTensor(artifact, "client/stats"),
		head: artifactTensor(artifact, "client/head"),
		slots: zeros("float32", [optimiserStateLength(manifest, "client")]),
		headSlots: zeros("float32", [optimiserStateLength(manifest, "head")]),
		cutGradient: zeros("float32", [count, ...manifest.smashedShape]),
		step: scalar(1),
		learningRate: scalar(1e-3),
		headLearningRate: scalar(1e-3),
		shieldWeight: scalar(1),
		robustBudget: scalar(manifest.robustBudget),
		dropoutSeed: { dtype: "int64", dims: [], data: BigInt64Array.of(1n) },
	};
}

interface Costed {
	readonly artifact: Artifact;
	/** A training step on a batch, and the release of one record. */
	readonly step: Timed;
	readonly record: Timed;
}

async function costed(mode: PrivacyMode): Promise<Costed> {
	const definition = presetDefinition(mode, zooNetwork(options.model), shape, classes);
	const artifact = await compileArtifact(definition, { name: mode, random: seededRandom(1) });
	const load = (names: readonly string[]) =>
		Promise.all(names.map((name) => nodeRuntime.load(artifactGraph(artifact, name), { threads: 1 })));
	const coded = definition.code !== null;
	const [batch, one] = [feedsOf(artifact, batchSize), feedsOf(artifact, 1)];
	const run = async (sessions: readonly Session[], feeds: Tensors) => {
		let pass: Tensors = {};
		for (const session of sessions) pass = await session.run({ ...feeds, ...pass });
	};
	const step = await load(coded ? ["client/local"] : ["client/forward", "client/train"]);
	const record = await load([coded ? "client/code" : "client/infer"]);
	return { artifact, step: timed(() => run(step, batch)), record: timed(() => run(record, one)) };
}

function memory({ manifest }: Artifact): number {
	const values = manifest.client.paramCount + manifest.client.statCount + manifest.head.paramCount;
	const slots = optimiserStateLength(manifest, "client") + optimiserStateLength(manifest, "head");
	return (4 * (values + slots)) / 2 ** 20;
}

function sent({ manifest }: Artifact): string {
	const { code, smashedShape } = manifest;
	if (code !== null) return `${code.numbers * code.bits} bits, once`;
	return `${2 * elementCount(smashedShape)} B as float16, each epoch`;
}

async function main(): Promise<void> {
	const [plain, shield] = [await costed("none"), await costed("shield")];
	const turns = { turns: Number(options.turns), runsPerTurn: 5 };
	const step = await paired(shield.step, plain.step, turns);
	const record = await paired(shield.record, plain.record, turns);
	const [before, after] = [memory(plain.artifact), memory(shield.artifact)];
	process.stdout.write(`${options.model} [${shape}], batch ${batchSize}, 1 thread, load ${record.load.toFixed(1)}\n\n`);
	process.stdout.write("| | without | shield | processor time, ratio |\n|---|---|---|---|\n");
	for (const [name, { ours, reference, processorRatio }] of Object.entries({
		"training step": step,
		"one record": record,
	})) {
		process.stdout.write(
			`| ${name}, ms | ${reference.toFixed(2)} | ${ours.toFixed(2)} | ${processorRatio.toFixed(2)} |\n`,
		);
	}
	process.stdout.write(`| weights and optimiser, MiB | ${before.toFixed(2)} | ${after.toFixed(2)} | |\n`);
	process.stdout.write(`| up per record | ${sent(plain.artifact)} | ${sent(shield.artifact)} | |\n`);
}

await main();
