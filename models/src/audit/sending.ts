import { elementCount, type Random, type Runtime, type Session, scalar, type Tensor } from "@psgl/sdk";
import { type Artifact, artifactGraph, artifactTensor, flipProbability } from "@psgl/sdk/artifact";
import { type WireDType, wireBytes } from "@psgl/sdk/protocol";
import { rows, runInBatches } from "./run-in-batches.js";
import { TrainingPass } from "./training-pass.js";

type Real = Tensor<"float32">;

export interface SendingOptions {
	readonly runtime: Runtime;
	readonly threads: number;
	/** Element type of real numbers on the wire. */
	readonly wire: WireDType;
	/** Draws what a random defence draws. */
	readonly random: Random;
}

export interface ReleaseOptions {
	/** False: of clean samples, the device's map left away. Default true. */
	readonly withMap?: boolean;
	/** False: as before a random defence draws. Default true. */
	readonly withChance?: boolean;
	/**
	 * As a batch of training: by the statistics of batches that it draws, and with the robust perturbation that training begins with. Default: as at
	 * inference. A code is the same in both.
	 */
	readonly inTraining?: Random | undefined;
	readonly signal?: AbortSignal | undefined;
}

/** How samples leave a device: what is sent of them, as it arrives. */
export interface Sending {
	/** Bits of one sample's release. */
	readonly bits: number;
	/** Whether the same sample leaves otherwise every time. */
	readonly random: boolean;
	/** Samples [N, ...inputShape] -> [N,Cs,...], or the levels of codes [N,k]. */
	release(x: Real, options: ReleaseOptions): Promise<Real>;
	close(): Promise<void>;
}

/** Samples a device sends at once; int8 has one scale a channel and batch. */
const sentAtOnce = 16;

/** The way an artifact's client half sends. @throws ArtifactError `PSGL_ARTIFACT_MEMBER` when it has no client half. */
export async function openSending(artifact: Artifact, options: SendingOptions): Promise<Sending> {
	const { code } = artifact.manifest;
	return code === null ? openReal(artifact, options) : openCode(artifact, code, options);
}

/** Real numbers, rounded to the element type of the wire a batch of a device at a time. */
async function openReal(artifact: Artifact, { runtime, threads, wire }: SendingOptions): Promise<Sending> {
	const infer = await runtime.load(artifactGraph(artifact, "client/infer"), { threads });
	const codec = await openCodec(artifact, runtime, threads, wire);
	let training: TrainingPass | undefined;
	return {
		bits: 8 * wireBytes(wire, elementCount(artifact.manifest.smashedShape)),
		random: false,
		release: async (x, { withMap = true, inTraining, signal }) => {
			if (inTraining !== undefined) {
				training ??= await TrainingPass.load(artifact, runtime, threads);
				return training.release(x, codec, inTraining, signal);
			}
			const budget = scalar(withMap ? (artifact.manifest.map?.budget ?? 0) : 0);
			const feeds = { ...clientWeights(artifact), budget };
			const run = { session: infer, feeds, input: "x", output: "smashed", batchSize: sentAtOnce, signal };
			return codec.arrive(await runInBatches(x, run));
		},
		close: async () => {
			await infer.close();
			await codec.close();
			await training?.close();
		},
	};
}

/** Level indices of a code, each bit turned over by chance where the artifact says so. */
async function openCode(
	artifact: Artifact,
	{ numbers, bits }: NonNullable<Artifact["manifest"]["code"]>,
	{ runtime, threads, random }: SendingOptions,
): Promise<Sending> {
	const coder = await runtime.load(artifactGraph(artifact, "client/code"), { threads });
	const decode = await runtime.load(artifactGraph(artifact, "wire/decode.code"), { threads });
	const chance = flipProbability(artifact.manifest);
	return {
		bits: numbers * bits,
		random: chance > 0,
		release: async (x, { withChance = true, signal }) => {
			const count = x.dims[0] as number;
			const levels = new Float32Array(count * numbers);
			for (let start = 0; start < count; start += sentAtOnce) {
				signal?.throwIfAborted();
				const end = Math.min(start + sentAtOnce, count);
				const { code } = await coder.run({ ...clientWeights(artifact), x: rows(x, start, end) }, ["code"]);
				const sent = code as Tensor<"uint8">;
				const data =
					chance === 0 || !withChance ? sent.data : sent.data.map((index) => flipped(index, bits, chance, random));
				const arrived = await decode.run({ code: { ...sent, data } });
				levels.set((arrived.levels as Real).data, start * numbers);
			}
			return { dtype: "float32", dims: [count, numbers], data: levels };
		},
		close: async () => {
			await coder.close();
			await decode.close();
		},
	};
}

function flipped(index: number, bits: number, chance: number, random: Random): number {
	let turned = index;
	for (let bit = 0; bit < bits; bit++) if (random.uniform() < chance) turned ^= 1 << bit;
	return turned;
}

const clientWeights = (artifact: Artifact) => ({
	params: artifactTensor(artifact, "client/params"),
	stats: artifactTensor(artifact, "client/stats"),
	head: artifactTensor(artifact, "client/head"),
});

/** Real numbers there and back over the wire. */
export interface WireCodec {
	/** [N,...] as they arrive, quantised a batch of a device at a time. */
	arrive(values: Real): Promise<Real>;
	close(): Promise<void>;
}

/** The artifact's own graphs for an element type of the wire. */
export async function openCodec(
	artifact: Artifact,
	runtime: Runtime,
	threads: number,
	wire: WireDType,
): Promise<WireCodec> {
	if (wire === "float32") return { arrive: async (values) => values, close: async () => {} };
	const load = (name: string): Promise<Session> => runtime.load(artifactGraph(artifact, name), { threads });
	const [encode, decode] = [await load(`wire/encode.${wire}`), await load(`wire/decode.${wire}`)];
	return {
		async arrive(sent) {
			const count = sent.dims[0] as number;
			const arrived = new Float32Array(sent.data.length);
			for (let start = 0; start < count; start += sentAtOnce) {
				const values = rows(sent, start, Math.min(start + sentAtOnce, count));
				const { quantised, scale } = await encode.run({ values });
				const out = await decode.run({ quantised: quantised as Tensor, scale: scale as Tensor });
				arrived.set((out.values as Real).data, (start * sent.data.length) / count);
			}
			return { ...sent, data: arrived };
		},
		async close() {
			await encode.close();
			await decode.close();
		},
	};
}
