import { dropoutSeed, type Random, type Runtime, scalar, type Tensor, zeros } from "@psgl/sdk";
import { type Artifact, artifactGraph, artifactTensor, optimiserStateLength } from "@psgl/sdk/artifact";
import type { Dataset } from "@psgl/sdk/sources";
import { equalClassWeights } from "../compile/server-streams.js";

type Vector = Tensor<"float32">;

export interface CodeTrainingOptions {
	readonly runtime: Runtime;
	readonly threads?: number;
	readonly random: Random;
	/** Passes over the data on the device, before anything is sent. */
	readonly localEpochs: number;
	/** Passes over the codes on the aggregator, which cost no release. */
	readonly serverEpochs: number;
	readonly batchSize: number;
	/** Of the first step; it falls to a twentieth in a straight line. */
	readonly learningRate: number;
	/** Weight of the share of the code's scatter within the classes, reached after 30 % of the local steps. */
	readonly shieldWeight: number;
	readonly signal?: AbortSignal | undefined;
	/** Called with the share of all steps that is done, in [0,1]. */
	readonly onProgress?: ((share: number) => void) | undefined;
}

/** Share of the local steps over which the shield's weight rises from 0. */
const rampShare = 0.3;

/**
 * Trains an artifact whose cut is a code in one process, as release mode `once` does it: client segment and local head on the device's
 * own labels, then one coding of each sample, then the server segment on the codes.
 * @returns trained weights by the names they have in an artifact
 */
export async function trainOnce(
	artifact: Artifact,
	data: Dataset,
	options: CodeTrainingOptions,
): Promise<ReadonlyMap<string, Vector>> {
	const client = await trainLocally(artifact, data, options);
	const { codes, labels } = await coded(artifact, client, data, options);
	const server = await trainServer(artifact, codes, labels, options);
	return new Map([...client, ...server]);
}

async function trainLocally(
	artifact: Artifact,
	data: Dataset,
	options: CodeTrainingOptions,
): Promise<ReadonlyMap<string, Vector>> {
	const { runtime, threads = 1, random, localEpochs, shieldWeight } = options;
	const { manifest } = artifact;
	await using session = await runtime.load(artifactGraph(artifact, "client/local"), { threads });
	let params = artifactTensor(artifact, "client/params");
	let stats = artifactTensor(artifact, "client/stats");
	let head = artifactTensor(artifact, "client/head");
	let slots: Vector = zeros("float32", [optimiserStateLength(manifest, "client")]);
	let headSlots: Vector = zeros("float32", [optimiserStateLength(manifest, "head")]);
	const steps = batches(data.length, localEpochs, options, random.fork("local"));
	for (const { indices, step, share, learningRate } of steps) {
		options.signal?.throwIfAborted();
		const { x, y } = data.batch(indices);
		const next = await session.run({
			x,
			y,
			params,
			stats,
			head,
			slots,
			headSlots,
			step: scalar(step),
			learningRate: scalar(learningRate),
			headLearningRate: scalar(learningRate * manifest.headLearningRateFactor),
			shieldWeight: scalar(shieldWeight * Math.min(1, share / rampShare)),
			robustBudget: scalar(manifest.robustBudget),
			dropoutSeed: dropoutSeed(random, step),
		});
		params = next.next_params as Vector;
		stats = next.next_stats as Vector;
		head = next.next_head as Vector;
		slots = next.next_slots as Vector;
		headSlots = next.next_headSlots as Vector;
		options.onProgress?.(share / 2);
	}
	return new Map([
		["client/params", params],
		["client/stats", stats],
		["client/head", head],
	]);
}

interface Coded {
	/** Levels [N,k] row by row. */
	readonly codes: Float32Array;
	readonly labels: Tensor<"int64">;
}

async function coded(
	artifact: Artifact,
	client: ReadonlyMap<string, Vector>,
	data: Dataset,
	{ runtime, threads = 1, batchSize, signal }: CodeTrainingOptions,
): Promise<Coded> {
	await using code = await runtime.load(artifactGraph(artifact, "client/code"), { threads });
	await using decode = await runtime.load(artifactGraph(artifact, "wire/decode.code"), { threads });
	const feeds = {
		params: client.get("client/params") as Vector,
		stats: client.get("client/stats") as Vector,
		head: client.get("client/head") as Vector,
	};
	const width = artifact.manifest.smashedShape[0] as number;
	const codes = new Float32Array(data.length * width);
	for (let start = 0; start < data.length; start += batchSize) {
		signal?.throwIfAborted();
		const { x } = data.batch(range(start, Math.min(start + batchSize, data.length)));
		const { code: indices } = await code.run({ ...feeds, x });
		const { levels } = await decode.run({ code: indices as Tensor });
		codes.set((levels as Vector).data, start * width);
	}
	return { codes, labels: data.batch(range(0, data.length)).y };
}

async function trainServer(
	artifact: Artifact,
	codes: Float32Array,
	labels: Tensor<"int64">,
	options: CodeTrainingOptions,
): Promise<ReadonlyMap<string, Vector>> {
	const { runtime, threads = 1, random, serverEpochs } = options;
	const { manifest } = artifact;
	await using session = await runtime.load(artifactGraph(artifact, "server/train"), { threads });
	const classWeights = equalClassWeights(manifest.classes.length);
	let params = artifactTensor(artifact, "server/params");
	let stats = artifactTensor(artifact, "server/stats");
	let slots: Vector = zeros("float32", [optimiserStateLength(manifest, "server")]);
	const width = manifest.smashedShape[0] as number;
	const rows = labels.dims[0] as number;
	const labelWidth = labels.data.length / rows;
	const steps = batches(rows, serverEpochs, options, random.fork("server"));
	for (const { indices, step, share, learningRate } of steps) {
		options.signal?.throwIfAborted();
		const count = indices.length;
		const smashed = zeros("float32", [count, width]);
		const y = zeros("int64", [count, ...labels.dims.slice(1)]);
		indices.forEach((n, b) => {
			smashed.data.set(codes.subarray(n * width, (n + 1) * width), b * width);
			y.data.set(labels.data.subarray(n * labelWidth, (n + 1) * labelWidth), b * labelWidth);
		});
		const next = await session.run({
			smashed,
			y,
			params,
			stats,
			slots,
			classWeights,
			step: scalar(step),
			learningRate: scalar(learningRate),
		});
		params = next.next_params as Vector;
		stats = next.next_stats as Vector;
		slots = next.next_slots as Vector;
		options.onProgress?.((1 + share) / 2);
	}
	return new Map([
		["server/params", params],
		["server/stats", stats],
	]);
}

interface Step {
	readonly indices: Uint32Array;
	/** Counted from 1. */
	readonly step: number;
	/** Of all steps, up to and with this one. */
	readonly share: number;
	readonly learningRate: number;
}

/** Samples in random order, an epoch after the other; a last batch of one sample is left out, which batch statistics cannot use. */
function* batches(
	count: number,
	epochs: number,
	{ batchSize, learningRate }: CodeTrainingOptions,
	random: Random,
): Generator<Step> {
	const full = Math.floor(count / batchSize) + (count % batchSize > 1 ? 1 : 0);
	let step = 0;
	for (let epoch = 0; epoch < epochs; epoch++) {
		const order = random.fork(`epoch ${epoch}`).permutation(count);
		for (let b = 0; b < full; b++) {
			step += 1;
			const share = step / (full * epochs);
			const indices = order.subarray(b * batchSize, (b + 1) * batchSize) as Uint32Array;
			yield { indices, step, share, learningRate: learningRate * (1 - 0.95 * share) };
		}
	}
}

function range(from: number, to: number): Uint32Array {
	return Uint32Array.from({ length: to - from }, (_, i) => from + i);
}
