/** The leak of a trained row: the audit's attacks on what it sends, beside what somebody rebuilds who sees nothing but the label. */
import {
	type AttackScene,
	type AuditBudget,
	type AuditData,
	AuditTarget,
	anchors as anchorSamples,
	auditData,
	leakOf,
	openScene,
	type ReconstructionName,
	ReconstructionQuality,
	type Releases,
	reconstructionAttacks,
	releasesOf,
} from "@psgl/models";
import { seededRandom, type Tensor } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import type { DataSplits, Dataset } from "@psgl/sdk/sources";
import type { TrainedRow } from "./shield-rows.js";

type Real = Tensor<"float32">;

export interface Rebuilt {
	/** Name of an attack; `NAME+label` where the attacker has the label too, `NAME=label` where it has nothing else. */
	readonly attack: string;
	readonly similarity: number;
	/** Correlation of sample and reconstruction after the class mean is taken from both: mean over the victims. */
	readonly residualCorrelation: number;
}

export interface LeakOptions {
	readonly attacks: readonly string[];
	readonly budget: AuditBudget;
	readonly threads: number;
	readonly seed: number;
}

/** Who is attacked, and what the means of the attacker's samples come to. */
export interface Victims {
	readonly data: AuditData;
	/** [V, ...shape] */
	readonly originals: Real;
	readonly classMean: Real;
	readonly meanSimilarity: number;
	readonly classMeanSimilarity: number;
}

export async function victimsOf(data: DataSplits, { budget, seed, threads }: LeakOptions): Promise<Victims> {
	const parts = auditData(data, undefined, budget, seededRandom(seed).fork("data"));
	const { victims, attacker } = parts;
	const { mean, classMean } = anchorSamples(attacker, victims.labels);
	await using quality = await ReconstructionQuality.load(nodeRuntime, victims.shape, threads);
	const originals = victims.batch(Array.from({ length: victims.length }, (_, i) => i)).x;
	return {
		data: parts,
		originals,
		classMean,
		meanSimilarity: (await quality.measure(originals, mean)).similarity,
		classMeanSimilarity: (await quality.measure(originals, classMean)).similarity,
	};
}

/**
 * Every attack on what the artifact's devices send.
 * @param released what is sent instead, where no artifact can make it
 */
export async function rebuiltFrom(
	{ artifact, earlier, disturb }: Pick<TrainedRow, "artifact" | "earlier" | "disturb">,
	victims: Victims,
	{ attacks, threads, budget, seed }: LeakOptions,
	released?: Releases,
): Promise<readonly Rebuilt[]> {
	const runtime = nodeRuntime;
	await using target = await AuditTarget.load(artifact, { runtime, threads, wire: "float32" });
	const random = seededRandom(seed).fork("attacks");
	// Noise is drawn anew for every release.
	const sent = async () => {
		const { attacker, victims: own } = victims.data;
		return disturb ? { ...victims.data, attacker: await disturb(attacker), victims: await disturb(own) } : victims.data;
	};
	const before: Releases[] = [];
	for (const version of attacks.includes("path") ? earlier : []) {
		await using then = await AuditTarget.load(version, { runtime, threads, wire: "float32" });
		before.push(await releasesOf(then, await sent()));
	}
	const plain = await openScene(target, victims.data, { budget, runtime, threads, random, earlier: before });
	const scene =
		disturb === undefined ? { ...plain, ...released } : { ...plain, ...(await releasesOf(target, await sent())) };
	await using quality = await ReconstructionQuality.load(runtime, victims.data.victims.shape, threads);
	const results: Rebuilt[] = [];
	for (const attack of attacks) {
		const [name, known] = attack.split(/(?=[+=])/) as [ReconstructionName, "+label" | "=label" | undefined];
		const rebuilt = await reconstructionAttacks[name].run(
			known === undefined ? scene : withLabels(scene, victims, known),
		);
		const first: Real = { ...rebuilt, data: victims.originals.data.subarray(0, rebuilt.data.length) };
		const { similarity } = await quality.measure(first, rebuilt);
		results.push({ attack, similarity, residualCorrelation: residual(first, rebuilt, victims.classMean) });
	}
	return results;
}

/** Both headlines of the strongest attack that has nothing but what was sent; of the undefended network one release, the anchor. */
export function headline(defended: readonly Rebuilt[], undefended: readonly Rebuilt[], victims: Victims) {
	const largest = (all: readonly Rebuilt[], key: "similarity" | "residualCorrelation") =>
		Math.max(...all.map((rebuilt) => rebuilt[key]));
	const released = undefended.filter(({ attack }) => attack !== "path" && !attack.endsWith("label"));
	const anchors = {
		mean: victims.meanSimilarity,
		classMean: victims.classMeanSimilarity,
		undefended: largest(released, "similarity"),
	};
	const own = defended.filter(({ attack }) => !attack.endsWith("label"));
	const found = (attack: string) => defended.find((rebuilt) => rebuilt.attack === attack)?.similarity;
	const beyond = (attack: string) => {
		const similarity = found(attack);
		return similarity && leakOf(similarity, anchors).leakBeyondLabel;
	};
	// A network that sees the label alone can do better than the class mean: a stronger anchor of the same kind.
	const label = found("decoder=label");
	return {
		...leakOf(largest(own, "similarity"), anchors),
		residualCorrelation: largest(own, "residualCorrelation"),
		undefendedResidualCorrelation: largest(released, "residualCorrelation"),
		labelAlone: beyond("decoder=label"),
		beyondLabelDecoder: label && leakOf(largest(own, "similarity"), { ...anchors, classMean: label }).leakBeyondLabel,
		withLabel: beyond("decoder+label"),
	};
}

/** Releases with the label beside them, one column a class, or the label alone. */
function withLabels(scene: AttackScene, { data }: Victims, known: "+label" | "=label"): AttackScene {
	const beside = (release: Real, { labels, classes }: Dataset): Real => {
		const count = labels.length;
		const own = known === "=label" ? 0 : release.data.length / count;
		const width = own + classes.length;
		const joined = new Float32Array(count * width);
		for (let n = 0; n < count; n++) {
			joined.set(release.data.subarray(n * own, (n + 1) * own), n * width);
			joined[n * width + own + (labels[n] as number)] = 1;
		}
		return { ...release, dims: [count, width], data: joined };
	};
	return { ...scene, pairs: beside(scene.pairs, data.attacker), seen: beside(scene.seen, data.victims) };
}

function residual(originals: Real, rebuilt: Real, classMean: Real): number {
	const count = rebuilt.dims[0] as number;
	const size = rebuilt.data.length / count;
	const rest = (values: Float32Array, n: number): Float64Array => {
		const difference = Float64Array.from(
			{ length: size },
			(_, i) => (values[n * size + i] as number) - (classMean.data[n * size + i] as number),
		);
		const mean = difference.reduce((a, b) => a + b, 0) / size;
		return difference.map((value) => value - mean);
	};
	const product = (a: Float64Array, b: Float64Array) => a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);
	let sum = 0;
	for (let n = 0; n < count; n++) {
		const [a, b] = [rest(originals.data, n), rest(rebuilt.data, n)];
		const scale = Math.sqrt(product(a, a) * product(b, b));
		if (scale > 0) sum += product(a, b) / scale;
	}
	return sum / count;
}
