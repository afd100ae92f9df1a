import { flipProbability } from "../artifact/index.js";
import { disclosuresOf } from "../ledger/disclosure-cost.js";
import type { DisclosureLedger } from "../ledger/disclosure-ledger.js";
import type { ReleasePermit } from "../ledger/release-permit.js";
import type { Random } from "../ports/random.js";
import type { CodeTensor, WireTensor } from "../protocol/index.js";
import { elementCount, scalar, type Tensor } from "../tensor.js";
import type { ClientModel } from "./client-model.js";
import { randomised } from "./code-wire.js";
import { segmentIdentity } from "./segment-identity.js";
import { encodeReal } from "./wire-codec.js";

/** What a release of a batch needs besides the batch. */
export interface Releasing {
	readonly model: ClientModel;
	readonly ledger: DisclosureLedger;
	/** Turns over the bits of codes. */
	readonly noise: Pick<Random, "uniform">;
}

/** Samples that are to leave as deployed. */
export interface ReleasedBatch {
	/** [B, ...shape] */
	readonly x: Tensor<"float32">;
	/** [B], of `recordDigests`. */
	readonly digests: readonly string[];
	/** Labels that go along. */
	readonly labels?: Tensor<"int64"> | undefined;
	/** Nothing may leave unless everything may. */
	readonly whole?: boolean | undefined;
}

/** What the client segment makes of a batch as deployed: running statistics, and the device's own map. */
export interface DeployedRelease {
	/** Write it before anything leaves, and dispose of it. */
	readonly permit: ReleasePermit;
	/** Smashed data of the samples that are admitted, in their order; undefined when none is. */
	readonly smashed: WireTensor | CodeTensor | undefined;
	/** Probabilities of the local head [B,K] for all samples; each by itself where several labels may apply to a sample. */
	readonly localScores: Tensor<"float32">;
}

/**
 * Runs the client segment on samples and counts their release. A sample that this segment coded before leaves as it did then.
 * @throws DataError `PSGL_LEDGER_DAMAGED`.
 */
export async function releaseDeployed(releasing: Releasing, batch: ReleasedBatch): Promise<DeployedRelease> {
	const { model, ledger } = releasing;
	const { manifest } = model.segment.artifact;
	const { smashedDtype } = model.welcome;
	const coding = manifest.code === null ? undefined : await segmentIdentity(model);
	const disclosures = disclosuresOf(manifest, smashedDtype, batch.digests, batch.labels);
	const permit = await ledger.admit(disclosures, { coding, whole: batch.whole ?? false });
	try {
		if (coding === undefined) {
			const { smashed, localScores } = await deployedForward(model, batch.x);
			const rows = rowsOf(smashed, permit.admitted);
			return { permit, localScores, smashed: rows && (await encodeReal(model.segment, rows, smashedDtype)) };
		}
		return { permit, ...(await codes(releasing, batch.x, permit)) };
	} catch (error) {
		permit[Symbol.dispose]();
		throw error;
	}
}

/** Probabilities of the local head [B,K] for samples of which nothing leaves. */
export async function localScoresOf(model: ClientModel, x: Tensor<"float32">): Promise<Tensor<"float32">> {
	if (model.segment.artifact.manifest.code === null) return (await deployedForward(model, x)).localScores;
	const { localScores } = await model.segment.run("client/code", { ...model.state.feeds(), x });
	return localScores as Tensor<"float32">;
}

async function codes({ model, noise }: Releasing, x: Tensor<"float32">, permit: ReleasePermit) {
	const { manifest } = model.segment.artifact;
	const { numbers = 0, bits = 0 } = manifest.code ?? {};
	const { code, localScores } = await model.segment.run("client/code", { ...model.state.feeds(), x });
	const flip = flipProbability(manifest);
	for (const position of permit.uncoded) {
		const data = (code as Tensor<"uint8">).data.slice(position * numbers, (position + 1) * numbers);
		permit.keep(position, randomised({ dtype: "uint8", dims: [1, numbers], data, bits }, flip, noise).data);
	}
	const { admitted } = permit;
	const data = new Uint8Array(admitted.length * numbers);
	admitted.forEach((position, row) => {
		data.set(permit.code(position), row * numbers);
	});
	const smashed: CodeTensor | undefined =
		admitted.length === 0 ? undefined : { dtype: "uint8", dims: [admitted.length, numbers], data, bits };
	return { smashed, localScores: localScores as Tensor<"float32"> };
}

/** Smashed data, probabilities of the local head and map (undefined where the model has none) of samples [B, ...shape]. */
export async function deployedForward(model: ClientModel, x: Tensor<"float32">) {
	const feeds = { ...model.state.feeds(), x, budget: scalar(model.welcome.mapBudget) };
	const { smashed, localScores, map } = await model.segment.run("client/infer", feeds);
	return {
		smashed: smashed as Tensor<"float32">,
		localScores: localScores as Tensor<"float32">,
		map: map as Tensor<"float32"> | undefined,
	};
}

/** Some rows of a batch, all of it as it is; undefined for none. */
export function rowsOf<T extends "float32" | "int64">(
	batch: Tensor<T>,
	positions: readonly number[],
): Tensor<T> | undefined {
	const [count, ...shape] = batch.dims;
	if (positions.length === 0) return undefined;
	if (positions.length === count) return batch;
	const size = elementCount(shape);
	const data = batch.data.slice(0, positions.length * size);
	positions.forEach((position, row) => {
		// Both are of the batch's own type.
		data.set(batch.data.subarray(position * size, (position + 1) * size) as never, row * size);
	});
	return { dtype: batch.dtype, dims: [positions.length, ...shape], data: data as Tensor<T>["data"] };
}

/** One row [B,K] of scores [B,rows,K]. */
export function scoresOfRow({ dims, data }: Tensor<"float32">, row: number): Tensor<"float32"> {
	const [count = 0, rows = 0, classes = 0] = dims;
	const scores = new Float32Array(count * classes);
	for (let b = 0; b < count; b++) {
		const from = (b * rows + row) * classes;
		scores.set(data.subarray(from, from + classes), b * classes);
	}
	return { dtype: "float32", dims: [count, classes], data: scores };
}

/** Index of the largest of `classes` scores in each row of the last axis. */
export function decide(scores: Float32Array, classes: number): Int32Array {
	const decisions = new Int32Array(scores.length / classes);
	for (let row = 0; row < decisions.length; row++) {
		const from = row * classes;
		let best = 0;
		for (let k = 1; k < classes; k++) {
			if ((scores[from + k] as number) > (scores[from + best] as number)) best = k;
		}
		decisions[row] = best;
	}
	return decisions;
}

/** 1 where a label applies, [B*K]: where it is more likely than not. */
export function applying(scores: Float32Array): Uint8Array {
	return Uint8Array.from(scores, (probability) => (probability > 0.5 ? 1 : 0));
}

/**
 * How many samples of a batch were decided rightly. Where several labels may apply to a sample, each sample counts by the
 * share of its labels that were.
 * @param y [B] class indices or [B,K] marks
 */
export function countRight(scores: Float32Array, y: Tensor<"int64">, classes: number): number {
	const several = y.dims.length === 2;
	const decisions = several ? applying(scores) : decide(scores, classes);
	let right = 0;
	for (const [i, decision] of decisions.entries()) if (BigInt(decision) === y.data[i]) right++;
	return several ? right / classes : right;
}
