import type { Tensor } from "@psgl/sdk";
import type { AttackScene } from "./attack-scene.js";
import { batchesOf } from "./batches-of.js";
import { zeroClasses } from "./feature-hijack.js";
import { gather } from "./run-in-batches.js";
import { TrainedDecoder } from "./trained-decoder.js";
import { TrainingClient } from "./training-client.js";

type Real = Tensor<"float32">;

const batchSize = 32;
const clientRate = 1e-3;
const decoderRate = 3e-3;

/**
 * Hijack without the detour through gradients: the aggregator hands the weights of the client segment to every device in
 * every round, so it can hand out those of an encoder that it has trained, with a decoder, on its own samples.
 */
export async function plantedWeights(scene: AttackScene): Promise<Real> {
	const { target, runtime, threads, budget, samples, signal, onProgress } = scene;
	const random = scene.random.fork("planted weights");
	const { inputShape: shape, smashedShape } = target.manifest;
	await using decoder = await TrainedDecoder.load({
		runtime,
		threads,
		random,
		smashedShape,
		shape,
		loss: "similarity",
	});
	await using encoder = await TrainingClient.load(target.artifact, { runtime, threads });
	const batches = batchesOf(samples.dims[0] as number, random.fork("batches"), batchSize);
	for (let step = 1; step <= budget.hijackSteps; step++) {
		signal?.throwIfAborted();
		const falling = 1 - (0.95 * step) / budget.hijackSteps;
		const x = gather(samples, batches());
		const own = await encoder.forward(x, zeroClasses(x));
		const { smashedGradient } = await decoder.step(own.smashed, x, decoderRate * falling);
		await own.learn(smashedGradient, clientRate * falling);
		onProgress?.(step / budget.hijackSteps);
	}
	return await decoder.decode(await scene.device.releaseWith(encoder.artifact(), signal));
}
