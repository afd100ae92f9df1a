import { type Random, type Runtime, scalar, type Tensor, zeros } from "@psgl/sdk";
import { type Artifact, artifactGraph, artifactTensor } from "@psgl/sdk/artifact";
import type { Dataset } from "@psgl/sdk/sources";
import type { MaskedPrior } from "../recovery/fit-masked-prior.js";
import { type DecisionMetrics, metricsOn } from "./decision-metrics.js";
import type { DeployedSystem } from "./deployed-system.js";

type Vector = Tensor<"float32">;

/** The fused decision when part of the smashed data is lost on the way. */
export interface TransitLoss {
	/** Nothing lost. */
	readonly complete: DecisionMetrics;
	/** Lost values read as zeros. */
	readonly unrecovered: DecisionMetrics;
	/** Lost values filled by masked proximal recovery. */
	readonly recovered: DecisionMetrics;
}

export interface TransitLossOptions {
	/** Probability that a channel of a sample is lost. */
	readonly fraction: number;
	readonly prior: MaskedPrior;
	readonly runtime: Runtime;
	readonly random: Random;
	readonly threads?: number;
	readonly signal?: AbortSignal | undefined;
}

const batchSize = 128;

/** Loses channels at random, sample by sample, and measures what the decision is still worth. */
export async function transitLoss(
	system: DeployedSystem,
	artifact: Artifact,
	data: Dataset,
	options: TransitLossOptions,
): Promise<TransitLoss> {
	const { prior, fraction, random } = options;
	const masked = await options.runtime.load(artifactGraph(artifact, "server/infer-masked"), {
		threads: options.threads ?? 1,
	});
	const fused = { complete: [], unrecovered: [], recovered: [] } as Record<keyof TransitLoss, number[]>;
	const decisions = (scores: Vector) => fusedRows(scores, system.rows.length, system.classes);
	for (let start = 0; start < data.length; start += batchSize) {
		options.signal?.throwIfAborted();
		const count = Math.min(batchSize, data.length - start);
		const { x } = data.batch(Array.from({ length: count }, (_, i) => start + i));
		const { smashed } = await system.device(x);
		const mask = channelMask(smashed, fraction, random);
		const arrived: Vector = { ...smashed, data: smashed.data.map((v, i) => v * (mask.data[i] as number)) };
		fused.complete.push(...decisions(await system.aggregator(smashed)));
		fused.unrecovered.push(...decisions(await system.aggregator(arrived)));
		const out = await masked.run({
			smashed: arrived,
			mask,
			params: artifactTensor(artifact, "server/params"),
			stats: artifactTensor(artifact, "server/stats"),
			priorMean: prior.mean,
			priorBasis: prior.basis,
			priorVariance: scalar(prior.variance),
		});
		fused.recovered.push(...decisions(await system.decided(out)));
	}
	await masked.close();
	const metrics = (scores: number[]) => metricsOn(data, Float32Array.from(scores));
	return {
		complete: metrics(fused.complete),
		unrecovered: metrics(fused.unrecovered),
		recovered: metrics(fused.recovered),
	};
}

/** 1 where a value arrived: whole channels of single samples are lost. */
function channelMask(smashed: Vector, fraction: number, random: Random): Vector {
	const [samples, channels] = smashed.dims as [number, number];
	const size = smashed.data.length / (samples * channels);
	const mask = zeros("float32", smashed.dims);
	for (let i = 0; i < samples * channels; i++) {
		if (random.uniform() >= fraction) mask.data.fill(1, i * size, (i + 1) * size);
	}
	return mask;
}

/** The last row of [B,rows,K] scores. */
function fusedRows(scores: Vector, rows: number, classes: number): Float32Array {
	const samples = scores.dims[0] as number;
	const out = new Float32Array(samples * classes);
	for (let b = 0; b < samples; b++) {
		const from = (b * rows + rows - 1) * classes;
		out.set(scores.data.subarray(from, from + classes), b * classes);
	}
	return out;
}
