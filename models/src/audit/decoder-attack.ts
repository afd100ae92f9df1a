import type { Tensor } from "@psgl/sdk";
import type { AttackScene } from "./attack-scene.js";
import { batchesOf } from "./batches-of.js";
import type { DecoderSize } from "./decoder-network.js";
import { gather } from "./run-in-batches.js";
import { standardiser } from "./standardise.js";
import { type DecoderLoss, TrainedDecoder } from "./trained-decoder.js";

type Real = Tensor<"float32">;

export interface DecoderAttack {
	/** [N,Cs,...] smashed data of `scene.samples`, with the defence (an adaptive attacker) or without. */
	readonly pairs: Real;
	readonly loss: DecoderLoss;
	readonly size?: DecoderSize;
}

const batchSize = 32;
const firstLearningRate = 3e-3;

/** Trains a decoder on the attacker's own pairs and applies it to what the victims' device sent. */
export async function decoderAttack(scene: AttackScene, { pairs, loss, size = "small" }: DecoderAttack): Promise<Real> {
	const { runtime, threads, budget, samples, random, signal } = scene;
	const draws = random.fork(`decoder ${loss} ${size}`);
	await using decoder = await TrainedDecoder.load({
		runtime,
		threads,
		random: draws,
		smashedShape: pairs.dims.slice(1),
		shape: scene.target.manifest.inputShape,
		loss,
		size,
	});
	const standardise = standardiser(pairs);
	let keys = standardise(pairs);
	const count = samples.dims[0] as number;
	const batches = batchesOf(count, draws, batchSize);
	const passSteps = Math.ceil(count / batchSize);
	for (let step = 1; step <= budget.decoderSteps; step++) {
		signal?.throwIfAborted();
		// A defence that draws draws again for every pass, so that the decoder learns the sample and not the draw.
		if (scene.target.isRandom && step % passSteps === 0)
			keys = standardise(await scene.target.release(samples, { signal }));
		const chosen = batches();
		await decoder.step(gather(keys, chosen), gather(samples, chosen), annealed(step / budget.decoderSteps));
		scene.onProgress?.(step / budget.decoderSteps);
	}
	return await decoder.decode(standardise(scene.seen));
}

/** Half a cosine from the first rate to a twentieth of it. */
function annealed(share: number): number {
	return firstLearningRate * (0.05 + (0.95 * (1 + Math.cos(Math.PI * share))) / 2);
}
