/**
 * What the shield costs the device, beside the same network without it: time of a training step and of one record, weights, and
 * bytes that leave. Both sides take turns in the same minutes.
 *
 *   node build/bench/shield-cost.js [--input 1x28x28] [--classes 2] [--model lenet] [--turns 30]
 */
import { parseArgs } from "node:util";
import { ClientWork, compileArtifact, type PrivacyMode, presetDefinition, zooNetwork } from "@psgl/models";
import { elementCount, seededRandom } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { Dataset } from "@psgl/sdk/sources";
import { paired, timed } from "./paired.js";

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

/** Noise: times do not depend on what a picture shows. */
function noise(): Dataset {
	const random = seededRandom(1);
	const samples = Float32Array.from({ length: batchSize * elementCount(shape) }, () => random.uniform());
	const labels = Int32Array.from({ length: batchSize }, (_, n) => n % classes.length);
	return new Dataset({ shape, classes, labels, samples });
}

async function workOf(mode: PrivacyMode): Promise<ClientWork> {
	const definition = presetDefinition(mode, zooNetwork(options.model), shape, classes);
	const artifact = await compileArtifact(definition, { name: mode, random: seededRandom(1) });
	return ClientWork.load(artifact, noise(), { runtime: nodeRuntime, batchSize });
}

async function main(): Promise<void> {
	await using plain = await workOf("none");
	await using shield = await workOf("shield");
	const turns = { turns: Number(options.turns), runsPerTurn: 5 };
	const step = await paired(
		timed(() => shield.step()),
		timed(() => plain.step()),
		turns,
	);
	const record = await paired(
		timed(() => shield.record()),
		timed(() => plain.record()),
		turns,
	);
	const [before, after] = [plain, shield].map((work) => (work.memoryBytes / 2 ** 20).toFixed(2));
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
	process.stdout.write(`| weights and optimiser, MiB | ${before} | ${after} | |\n`);
	process.stdout.write(
		`| up per record | ${plain.recordBytes("float16")} B as float16, each epoch | ${8 * shield.recordBytes("float16")} bits, once | |\n`,
	);
}

await main();
