/**
 * How often a device takes an honest aggregator for a hijacked one: trains in one process and shows every gradient that goes back to
 * the scrutiny a device has. Prints for each mode and seed the batches that had a verdict, the suspicious ones, and the smallest separation.
 *
 *   node build/bench/scrutiny.js --data FILE [--modes none,paper,robust] [--seeds 1,2,3] [--epochs 5] [--first N]
 */
import { parseArgs } from "node:util";
import { compileArtifact, JointTrainer, type PrivacyMode, presetDefinition, zooNetwork } from "@psgl/models";
import { GradientScrutiny, seededRandom } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { type Dataset, loadData } from "@psgl/sdk/sources";

const { values: options } = parseArgs({
	options: {
		data: { type: "string" },
		modes: { type: "string", default: "none,paper,robust" },
		seeds: { type: "string", default: "1,2,3" },
		epochs: { type: "string", default: "5" },
		batch: { type: "string", default: "32" },
		first: { type: "string" },
	},
});

const learningRate = 1e-3;

async function honest(mode: PrivacyMode, train: Dataset, seed: number) {
	const random = seededRandom(seed);
	const network = zooNetwork(train.shape.length === 2 ? "ecg-1d" : "lenet");
	const definition = presetDefinition(mode, network, train.shape, train.classes, train.length);
	const artifact = await compileArtifact(definition, { name: mode, random: random.fork("weights") });
	await using trainer = await JointTrainer.create(artifact, { runtime: nodeRuntime, random });
	const scrutiny = new GradientScrutiny();
	const verdicts = { batches: 0, suspicious: 0, least: Number.POSITIVE_INFINITY };
	const size = Number(options.batch);
	for (let epoch = 0; epoch < Number(options.epochs); epoch++) {
		const order = random.fork(`epoch ${epoch}`).permutation(train.length);
		for (let start = 0; start + size <= order.length; start += size) {
			const indices = order.subarray(start, start + size);
			const { cutGradient } = await trainer.step(train, indices, learningRate);
			const labels = Array.from(indices, (n) => train.labels[n] as number);
			const verdict = scrutiny.observe(cutGradient, labels);
			if (verdict === undefined) continue;
			verdicts.batches += 1;
			if (verdict.suspicious) verdicts.suspicious += 1;
			verdicts.least = Math.min(verdicts.least, verdict.separation);
		}
	}
	return verdicts;
}

async function main(): Promise<void> {
	if (options.data === undefined) throw new Error("--data FILE is missing");
	const { train: whole, name } = await loadData(options.data, { seed: 0 });
	const count = Math.min(whole.length, Number(options.first ?? whole.length));
	const train = whole.subset(Array.from({ length: count }, (_, n) => n));
	process.stdout.write(
		"| data | mode | seed | batches | suspicious | smallest separation |\n|---|---|---|---|---|---|\n",
	);
	for (const mode of options.modes.split(",") as PrivacyMode[]) {
		for (const seed of options.seeds.split(",").map(Number)) {
			const { batches, suspicious, least } = await honest(mode, train, seed);
			process.stdout.write(`| ${[name, mode, seed, batches, suspicious, least.toFixed(3)].join(" | ")} |\n`);
		}
	}
}

await main();
