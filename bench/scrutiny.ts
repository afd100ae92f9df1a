/**
 * How often a device takes an honest aggregator for a hijacking one, and a hijacking one for honest: trains in one process and shows every gradient that
 * goes back to the scrutiny a device has; then lets the audit's feature-space hijacking have the device. Prints for each mode and seed the batches
 * that had a verdict, the suspicious ones, and the smallest and largest separation.
 *
 *   node build/bench/scrutiny.js --data FILE [--modes none,paper,robust] [--seeds 1,2,3] [--epochs 5] [--first N] [--steps 200]
 */
import { parseArgs } from "node:util";
import {
	AuditTarget,
	auditBudgets,
	auditData,
	compileArtifact,
	JointTrainer,
	openScene,
	type PrivacyMode,
	presetDefinition,
	reconstructionAttacks,
	TrainingClient,
	VictimDevice,
	withWeights,
	zooNetwork,
} from "@psgl/models";
import { GradientScrutiny, type Random, seededRandom, type Tensor } from "@psgl/sdk";
import { type Artifact, decodeArtifact } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { type DataSplits, type Dataset, loadData } from "@psgl/sdk/sources";

const { values: options } = parseArgs({
	options: {
		data: { type: "string" },
		modes: { type: "string", default: "none,paper,robust" },
		seeds: { type: "string", default: "1,2,3" },
		epochs: { type: "string", default: "5" },
		batch: { type: "string", default: "32" },
		first: { type: "string" },
		steps: { type: "string", default: "200" },
	},
});

const learningRate = 1e-3;

/** What a device made of the gradients it got. */
class Watch {
	readonly #scrutiny = new GradientScrutiny();
	batches = 0;
	suspicious = 0;
	readonly separations: number[] = [];

	observe(gradient: Tensor<"float32">, labels: ArrayLike<number>): void {
		const verdict = this.#scrutiny.observe(gradient, labels);
		if (verdict === undefined) return;
		this.batches += 1;
		if (verdict.suspicious) this.suspicious += 1;
		this.separations.push(verdict.separation);
	}
}

async function honest(mode: PrivacyMode, train: Dataset, seed: number): Promise<{ watch: Watch; artifact: Artifact }> {
	const random = seededRandom(seed);
	const network = zooNetwork(train.shape.length === 2 ? "ecg-1d" : "lenet");
	const definition = presetDefinition(mode, network, train.shape, train.classes, train.length);
	const artifact = await compileArtifact(definition, { name: mode, random: random.fork("weights") });
	await using trainer = await JointTrainer.create(artifact, { runtime: nodeRuntime, random });
	const watch = new Watch();
	const size = Number(options.batch);
	for (let epoch = 0; epoch < Number(options.epochs); epoch++) {
		const order = random.fork(`epoch ${epoch}`).permutation(train.length);
		for (let start = 0; start + size <= order.length; start += size) {
			const indices = order.subarray(start, start + size);
			const { cutGradient } = await trainer.step(train, indices, learningRate);
			const labels = Array.from(indices, (n) => train.labels[n] as number);
			watch.observe(cutGradient, labels);
		}
	}
	return { watch, artifact: await decodeArtifact(await withWeights(artifact, trainer.weights(), "scrutiny")) };
}

/** The victims' device with the watch that a device has. */
class WatchedDevice extends VictimDevice {
	readonly #artifact: Artifact;
	readonly #data: Dataset;
	readonly #watch: Watch;

	constructor(target: AuditTarget, data: Dataset, victims: number, watch: Watch) {
		super(target, data, { runtime: nodeRuntime, threads: 1, victims });
		this.#artifact = target.artifact;
		this.#data = data;
		this.#watch = watch;
	}

	override async train(random: Random, batchSize: number): ReturnType<VictimDevice["train"]> {
		const client = await TrainingClient.load(this.#artifact, { runtime: nodeRuntime, threads: 1 });
		let order = random.permutation(this.#data.length);
		return {
			next: async () => {
				if (order.length < batchSize) order = random.permutation(this.#data.length);
				const indices = order.subarray(0, batchSize);
				order = order.subarray(batchSize);
				const { x, y } = this.#data.batch(indices);
				const batch = await client.forward(x, y);
				const labels = Array.from(indices, (n) => this.#data.labels[n] as number);
				return {
					...batch,
					learn: (gradient: Tensor<"float32">, rate: number) => {
						this.#watch.observe(gradient, labels);
						return batch.learn(gradient, rate);
					},
				};
			},
			artifact: () => client.artifact(),
			[Symbol.asyncDispose]: () => client.close(),
		};
	}
}

/** The same device in the hands of an aggregator that hijacks it from the trained weights on. */
async function hijacked(artifact: Artifact, data: DataSplits, seed: number): Promise<Watch> {
	const budget = { ...auditBudgets.quick, hijackSteps: Number(options.steps) };
	const random = seededRandom(seed);
	const parts = auditData(data, undefined, budget, random.fork("data"));
	await using target = await AuditTarget.load(artifact, { runtime: nodeRuntime, wire: "float32" });
	const scene = await openScene(target, parts, { budget, runtime: nodeRuntime, threads: 1, random });
	const watch = new Watch();
	const device = new WatchedDevice(target, parts.candidates, parts.victims.length, watch);
	await reconstructionAttacks["feature-hijack"].run({ ...scene, device });
	return watch;
}

async function main(): Promise<void> {
	if (options.data === undefined) throw new Error("--data FILE is missing");
	const data = await loadData(options.data, { seed: 0 });
	const { train: whole, name } = data;
	const count = Math.min(whole.length, Number(options.first ?? whole.length));
	const train = whole.subset(Array.from({ length: count }, (_, n) => n));
	process.stdout.write(
		"| data | mode | seed | aggregator | verdicts | suspicious | separation |\n|---|---|---|---|---|---|---|\n",
	);
	for (const mode of options.modes.split(",") as PrivacyMode[]) {
		for (const seed of options.seeds.split(",").map(Number)) {
			const { watch, artifact } = await honest(mode, train, seed);
			const found = { honest: watch, hijacking: await hijacked(artifact, data, seed) };
			for (const [who, { batches, suspicious, separations }] of Object.entries(found)) {
				const range = `${Math.min(...separations).toFixed(3)} to ${Math.max(...separations).toFixed(3)}`;
				process.stdout.write(`| ${[name, mode, seed, who, batches, suspicious, range].join(" | ")} |\n`);
			}
		}
	}
}

await main();
