import type { Tensor } from "@psgl/sdk";
import type { AttackScene } from "./attack-scene.js";
import { batchesOf } from "./batches-of.js";
import { Discriminator } from "./discriminator.js";
import { gather } from "./run-in-batches.js";
import { TrainedDecoder } from "./trained-decoder.js";
import { TrainingClient } from "./training-client.js";

type Real = Tensor<"float32">;

const batchSize = 32;
const pilotRate = 1e-3;
const decoderRate = 2e-3;
const discriminatorRate = 1e-3;
const deviceRate = 1e-3;

/**
 * Feature-space hijacking (Pasquini, Ateniese and Bernaschi, CCS 2021, section 3): the aggregator trains an autoencoder on its own samples,
 * and sends the device gradients that make its smashed data look like those of the autoencoder, which the decoder then takes
 * back. The encoder has the architecture of the client half and begins with its weights, as the aggregator has both; the
 * discriminator is trained by cross-entropy with a gradient penalty in place of the paper's Wasserstein distance.
 */
export async function featureHijack(scene: AttackScene): Promise<Real> {
	const { target, runtime, threads, budget, samples, signal, onProgress } = scene;
	const random = scene.random.fork("feature hijack");
	const { inputShape, smashedShape } = target.manifest;
	const options = { runtime, threads, random };
	await using decoder = await TrainedDecoder.load({ ...options, smashedShape, shape: inputShape, loss: "similarity" });
	await using discriminator = await Discriminator.load(smashedShape, options);
	await using pilot = await TrainingClient.load(target.artifact, options);
	await using device = await scene.device.train(random.fork("device"), batchSize);
	const batches = batchesOf(samples.dims[0] as number, random.fork("batches"), batchSize);
	for (let step = 1; step <= budget.hijackSteps; step++) {
		signal?.throwIfAborted();
		const falling = 1 - (0.9 * step) / budget.hijackSteps;
		const x = gather(samples, batches());
		// The local head learns with the segment, from classes that do not matter here.
		const own = await pilot.forward(x, zeroClasses(x));
		const sent = await device.next();
		const { smashedGradient } = await decoder.step(own.smashed, x, decoderRate * falling);
		await own.learn(smashedGradient, pilotRate * falling);
		await discriminator.step(own.smashed, sent.smashed, discriminatorRate);
		await sent.learn(await discriminator.gradient(sent.smashed), deviceRate);
		onProgress?.(step / budget.hijackSteps);
	}
	return await decoder.decode(await scene.device.releaseWith(device.artifact(), signal));
}

/** Class 0 for each of x [B,...]. */
export function zeroClasses(x: Real): Tensor<"int64"> {
	const count = x.dims[0] as number;
	return { dtype: "int64", dims: [count], data: new BigInt64Array(count) };
}
