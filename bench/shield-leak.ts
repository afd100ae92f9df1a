/** The leak of a trained row: the audit's attacks on what it sends, beside the same attacks on the undefended network. */
import {
	type AttackScene,
	type AuditBudget,
	AuditTarget,
	anchors as anchorSamples,
	auditData,
	type LeakAnchors,
	leakOf,
	type ReconstructionName,
	ReconstructionQuality,
	reconstructionAttacks,
} from "@psgl/models";
import { seededRandom, type Tensor } from "@psgl/sdk";
import type { Artifact } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import type { DataSplits, Dataset } from "@psgl/sdk/sources";

type Real = Tensor<"float32">;

export interface Rebuilt {
	readonly attack: string;
	readonly similarity: number;
	/** Correlation of sample and reconstruction after the class mean is taken from both: mean over the victims. */
	readonly residualCorrelation: number;
}

export interface LeakOptions {
	/** Names of attacks; `NAME+label` gives the attacker the label too. */
	readonly attacks: readonly string[];
	readonly budget: AuditBudget;
	readonly threads: number;
	readonly seed: number;
}

/** Who is attacked, and what somebody gets who sees nothing but the label. */
export interface Victims {
	readonly seen: Dataset;
	readonly own: Dataset;
	readonly classMean: Real;
	readonly meanSimilarity: number;
	readonly classMeanSimilarity: number;
}

export async function victimsOf(data: DataSplits, { budget, seed, threads }: LeakOptions): Promise<Victims> {
	const { victims, attacker } = auditData(data, undefined, budget, seededRandom(seed).fork("data"));
	const { mean, classMean } = anchorSamples(attacker, victims.labels);
	await using quality = await ReconstructionQuality.load(nodeRuntime, victims.shape, threads);
	const originals = all(victims);
	return {
		seen: victims,
		own: attacker,
		classMean,
		meanSimilarity: (await quality.measure(originals, mean)).similarity,
		classMeanSimilarity: (await quality.measure(originals, classMean)).similarity,
	};
}

/** Every attack on what the artifact's devices send. */
export async function rebuiltFrom(
	artifact: Artifact,
	victims: Victims,
	options: LeakOptions,
): Promise<readonly Rebuilt[]> {
	const { threads, budget, seed } = options;
	await using target = await AuditTarget.load(artifact, { runtime: nodeRuntime, threads, wire: "float32" });
	const samples = all(victims.own);
	const originals = all(victims.seen);
	const scene: AttackScene = {
		target,
		samples,
		pairs: await target.release(samples),
		seen: await target.release(originals),
		earlier: [],
		budget,
		runtime: nodeRuntime,
		threads,
		random: seededRandom(seed).fork("attacks"),
	};
	await using quality = await ReconstructionQuality.load(nodeRuntime, victims.seen.shape, threads);
	const results: Rebuilt[] = [];
	for (const attack of options.attacks) {
		const [name, label] = attack.split("+") as [ReconstructionName, string | undefined];
		const known = label === undefined ? scene : withLabels(scene, victims);
		const rebuilt = await reconstructionAttacks[name].run(known);
		const count = rebuilt.dims[0] as number;
		const first: Real = { ...rebuilt, data: originals.data.subarray(0, rebuilt.data.length) };
		const { similarity } = await quality.measure(first, rebuilt);
		results.push({ attack, similarity, residualCorrelation: residual(first, rebuilt, victims.classMean, count) });
	}
	return results;
}

/** The largest of both headlines over the attacks. */
export function headline(defended: readonly Rebuilt[], undefended: readonly Rebuilt[], victims: Victims) {
	const anchors: LeakAnchors = {
		mean: victims.meanSimilarity,
		classMean: victims.classMeanSimilarity,
		undefended: Math.max(...undefended.map(({ similarity }) => similarity)),
	};
	const best = Math.max(...defended.map(({ similarity }) => similarity));
	const residualCorrelation = Math.max(...defended.map((rebuilt) => rebuilt.residualCorrelation));
	return { ...leakOf(best, anchors), similarity: best, residualCorrelation, undefended: anchors.undefended };
}

/** Releases with the label beside them, one column a class, as far apart as the codes themselves. */
function withLabels(scene: AttackScene, { own, seen }: Victims): AttackScene {
	const beside = (release: Real, { labels, classes }: Dataset): Real => {
		const count = labels.length;
		const width = release.data.length / count;
		const data = new Float32Array(count * (width + classes.length));
		for (let n = 0; n < count; n++) {
			data.set(release.data.subarray(n * width, (n + 1) * width), n * (width + classes.length));
			data[n * (width + classes.length) + width + (labels[n] as number)] = 1;
		}
		return { ...release, dims: [count, width + classes.length], data };
	};
	return { ...scene, pairs: beside(scene.pairs, own), seen: beside(scene.seen, seen) };
}

function residual(originals: Real, rebuilt: Real, classMean: Real, count: number): number {
	const size = rebuilt.data.length / count;
	let sum = 0;
	for (let n = 0; n < count; n++) {
		const own = (values: Float32Array) => {
			const rest = Float64Array.from(
				{ length: size },
				(_, i) => (values[n * size + i] as number) - (classMean.data[n * size + i] as number),
			);
			const mean = rest.reduce((a, b) => a + b, 0) / size;
			return rest.map((value) => value - mean);
		};
		const [a, b] = [own(originals.data), own(rebuilt.data)];
		const product = (p: Float64Array, q: Float64Array) =>
			p.reduce((total, value, i) => total + value * (q[i] as number), 0);
		sum += product(a, b) / (Math.sqrt(product(a, a) * product(b, b)) + 1e-12);
	}
	return sum / count;
}

function all(dataset: Dataset): Real {
	return dataset.batch(Array.from({ length: dataset.length }, (_, i) => i)).x;
}
