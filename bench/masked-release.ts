/**
 * Random masking of channels as a defence: a device sends of each sample a few channels of its smashed data, drawn at random, and the aggregator fills
 * the rest by masked recovery. Prints for each share of channels that is held back what the audit's decoders rebuild, and what decisions are worth; on
 * the validation part.
 *
 *   node build/bench/masked-release.js --data FILE --epochs N [--fractions 0,0.5,0.75,0.9375] [--seeds 1]
 */
import { parseArgs } from "node:util";
import {
	AuditTarget,
	auditBudgets,
	compileArtifact,
	DeployedSystem,
	fitMaskedPrior,
	JointTrainer,
	openScene,
	presetDefinition,
	ReconstructionQuality,
	reconstructionAttacks,
	transitLoss,
	withWeights,
	zooNetwork,
} from "@psgl/models";
import { elementCount, type Random, seededRandom, type Tensor } from "@psgl/sdk";
import { type Artifact, decodeArtifact } from "@psgl/sdk/artifact";
import { nodeRuntime as runtime } from "@psgl/sdk/runtime/node";
import { type DataSplits, type Dataset, loadData } from "@psgl/sdk/sources";
import { headline, type Rebuilt, victimsOf } from "./shield-leak.js";

type Real = Tensor<"float32">;

const { values: options } = parseArgs({
	options: {
		data: { type: "string" },
		epochs: { type: "string", default: "15" },
		fractions: { type: "string", default: "0,0.5,0.75,0.9375" },
		seeds: { type: "string", default: "1" },
		threads: { type: "string", default: "1" },
	},
});

const threads = Number(options.threads);
const batchSize = 64;
const rank = 96;
/** Draws of its own that an attacker learns from for each of its samples. */
const draws = 4;
const attacks = ["kernel-ridge", "decoder"] as const;

async function trained(train: Dataset, seed: number) {
	const { shape, classes } = train;
	const random = seededRandom(seed);
	const plain = presetDefinition("none", zooNetwork("lenet"), shape, classes);
	const definition = { ...plain, recovery: { kind: "masked", rank } as const };
	const fresh = await compileArtifact(definition, { name: "masked", random: random.fork("weights") });
	await using trainer = await JointTrainer.create(fresh, { runtime, threads, random: random.fork("training") });
	const steps = Number(options.epochs) * Math.ceil(train.length / batchSize);
	let step = 0;
	for (let epoch = 0; epoch < Number(options.epochs); epoch++) {
		await trainer.epoch(train, epoch, batchSize, () => 1e-3 * (1 - 0.95 * (step++ / steps)));
	}
	const bytes = await withWeights(fresh, trainer.weights(), "benchmark of masked releases");
	return { definition, artifact: await decodeArtifact(bytes) };
}

/** Several times [N,Cs,...] one after the other, each sample with the channels of a draw of its own; the others are 0. */
function masked(smashed: Real, fraction: number, times: number, random: Random): Real {
	const [count = 0, channels = 1, ...extents] = smashed.dims;
	const size = elementCount(extents);
	const data = new Float32Array(times * smashed.data.length);
	for (let at = 0; at < times * count * channels; at++) {
		if (random.uniform() < fraction) continue;
		const from = at * size;
		data.set(smashed.data.subarray(from % smashed.data.length, (from % smashed.data.length) + size), from);
	}
	return { ...smashed, dims: [times * count, channels, ...extents], data };
}

function repeated(samples: Real, times: number): Real {
	const data = new Float32Array(times * samples.data.length);
	for (let n = 0; n < times; n++) data.set(samples.data, n * samples.data.length);
	return { ...samples, dims: [times * (samples.dims[0] as number), ...samples.dims.slice(1)], data };
}

/** What is rebuilt where each share of the channels is held back. */
async function rebuilt(artifact: Artifact, data: DataSplits, seed: number, fractions: readonly number[]) {
	const budget = auditBudgets.quick;
	const victims = await victimsOf(data, { attacks: [...attacks], budget, threads, seed });
	await using target = await AuditTarget.load(artifact, { runtime, threads, wire: "float32" });
	const random = seededRandom(seed).fork("attacks");
	const scene = await openScene(target, victims.data, { budget, runtime, threads, random });
	await using quality = await ReconstructionQuality.load(runtime, victims.data.victims.shape, threads);
	const attacked = async (fraction: number): Promise<readonly Rebuilt[]> => {
		const times = fraction === 0 ? 1 : draws;
		const own = random.fork(`masks ${fraction}`);
		const seen = masked(scene.seen, fraction, 1, own);
		const pairs = masked(scene.pairs, fraction, times, own);
		const found: Rebuilt[] = [];
		for (const attack of attacks) {
			const guess = await reconstructionAttacks[attack].run({
				...scene,
				...{ seen, pairs, samples: repeated(scene.samples, times) },
			});
			const { similarity } = await quality.measure(victims.originals, guess);
			found.push({ attack, similarity, residualCorrelation: Number.NaN });
		}
		return found;
	};
	const found = new Map<number, readonly Rebuilt[]>();
	for (const fraction of fractions) found.set(fraction, await attacked(fraction));
	return { victims, found };
}

async function main(): Promise<void> {
	if (options.data === undefined) throw new Error("--data FILE is missing");
	const loaded = await loadData(options.data, { seed: 0 });
	const data = { ...loaded, test: loaded.validation };
	for (const seed of options.seeds.split(",").map(Number)) {
		const { artifact, definition } = await trained(data.train, seed);
		await using system = await DeployedSystem.load(artifact, definition, runtime, threads);
		const parts: Float32Array[] = [];
		const count = Math.min(data.train.length, 1500);
		for (let start = 0; start < count; start += batchSize) {
			const end = Math.min(start + batchSize, count);
			const { x } = data.train.batch(Array.from({ length: end - start }, (_, i) => start + i));
			parts.push((await system.device(x)).smashed.data);
		}
		const samples = Float32Array.from(parts.flatMap((part) => Array.from(part)));
		const prior = await fitMaskedPrior(
			runtime,
			{ dtype: "float32", dims: [count, samples.length / count], data: samples },
			{ rank },
		);
		const fractions = [0, ...options.fractions.split(",").map(Number)];
		const { victims, found } = await rebuilt(artifact, data, seed, [...new Set(fractions)]);
		const of = (fraction: number) => found.get(fraction) as readonly Rebuilt[];
		for (const fraction of found.keys()) {
			const loss = await transitLoss(system, artifact, data.test, {
				...{ fraction, prior, runtime, threads, random: seededRandom(seed).fork(`loss ${fraction}`) },
			});
			const { leak, leakBeyondLabel } = headline(of(fraction), of(0), victims);
			const { balancedAccuracy, auc } = loss.recovered;
			const figures = { data: data.name, seed, fraction, leak, leakBeyondLabel, balanced: balancedAccuracy, auc };
			const shown = JSON.stringify(figures, (_, value) =>
				typeof value === "number" ? Number(value.toFixed(4)) : value,
			);
			process.stdout.write(`${shown}\n`);
		}
	}
}

await main();
