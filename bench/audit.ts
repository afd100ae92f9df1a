/**
 * Trains a network in each privacy mode in one process and audits it, the one without a defence as the anchor of all:
 * what docs/privacy.md reports, and how strong the attacks are where nothing defends.
 *
 *   node build/bench/audit.js --data FILE [--modes none,paper,robust] [--budget quick] [--epochs 3] [--seed 1]
 */
import { parseArgs } from "node:util";
import {
	type AuditAttackName,
	type AuditBudgetName,
	auditAttackNames,
	auditBudgets,
	compileArtifact,
	JointTrainer,
	type PrivacyMode,
	presetDefinition,
	runAudit,
	withWeights,
	zooNetwork,
} from "@psgl/models";
import { seededRandom } from "@psgl/sdk";
import { type Artifact, decodeArtifact } from "@psgl/sdk/artifact";
import type { WireDType } from "@psgl/sdk/protocol";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { type DataSplits, loadData } from "@psgl/sdk/sources";

const { values: options } = parseArgs({
	options: {
		data: { type: "string" },
		modes: { type: "string", default: "none,paper,robust" },
		model: { type: "string", default: "lenet" },
		attacks: { type: "string", default: auditAttackNames.join(",") },
		budget: { type: "string", default: "quick" },
		wire: { type: "string", default: "float16" },
		epochs: { type: "string", default: "3" },
		seed: { type: "string", default: "1" },
		threads: { type: "string", default: "2" },
	},
});

const batchSize = 32;
const firstLearningRate = 2e-3;
const threads = Number(options.threads);
const seed = Number(options.seed);

/** The artifact after each epoch: the last one is audited, all of them are what the path attack sees. */
async function trained(mode: PrivacyMode, data: DataSplits): Promise<readonly Artifact[]> {
	const { shape, classes } = data.train;
	const random = seededRandom(seed).fork(mode);
	const definition = presetDefinition(mode, zooNetwork(options.model), shape, classes);
	const fresh = await compileArtifact(definition, { name: mode, random: random.fork("weights") });
	await using trainer = await JointTrainer.create(fresh, { runtime: nodeRuntime, threads, random });
	const epochs = Number(options.epochs);
	const steps = epochs * Math.ceil(data.train.length / batchSize);
	const versions: Artifact[] = [];
	let step = 0;
	for (let epoch = 0; epoch < epochs; epoch++) {
		await trainer.epoch(data.train, epoch, batchSize, () => firstLearningRate * (1 - step++ / steps));
		versions.push(await decodeArtifact(await withWeights(fresh, trainer.weights(), "audit benchmark")));
	}
	return versions;
}

async function main(): Promise<void> {
	if (options.data === undefined) throw new Error("--data FILE is missing");
	const data = await loadData(options.data, { seed });
	const plain = await trained("none", data);
	const undefended = plain.at(-1) as Artifact;
	process.stdout.write(
		"| mode | attack | similarity | undefended | leak | beyond label | s |\n|---|---|---|---|---|---|---|\n",
	);
	for (const mode of options.modes.split(",") as PrivacyMode[]) {
		const versions = mode === "none" ? plain : await trained(mode, data);
		const artifact = versions.at(-1) as Artifact;
		const result = await runAudit(artifact, data, {
			runtime: nodeRuntime,
			threads,
			seed,
			budget: auditBudgets[options.budget as AuditBudgetName],
			attacks: options.attacks.split(",") as AuditAttackName[],
			wire: options.wire as WireDType,
			undefended,
			earlier: versions.slice(0, -1),
		});
		const { anchors, reconstructions, inferences } = result;
		const line = (...cells: readonly (string | number)[]) =>
			process.stdout.write(`| ${cells.map((c) => (typeof c === "number" ? c.toFixed(3) : c)).join(" | ")} |\n`);
		line(mode, "mean sample", anchors.mean, "", "", "", "");
		line(mode, "class mean", anchors.classMean, "", "", "", "");
		for (const { name, defended, undefended: free, leak, leakBeyondLabel, seconds } of reconstructions) {
			line(mode, name, defended.similarity, free.similarity, leak, leakBeyondLabel, seconds.toFixed(0));
		}
		for (const { name, value, undefended: free } of inferences) line(mode, name, value, free ?? "", "", "", "");
	}
}

await main();
