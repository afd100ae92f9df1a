import type { Tensor } from "@psgl/sdk";
import { artifactTensor } from "@psgl/sdk/artifact";
import type { AttackScene } from "./attack-scene.js";
import { batchesOf } from "./batches-of.js";
import { Discriminator } from "./discriminator.js";
import { GradientsAtCut } from "./exchanged-gradients.js";
import { gather } from "./run-in-batches.js";
import { shuffledWeights } from "./shuffled-weights.js";
import { TrainedDecoder } from "./trained-decoder.js";
import { TrainingClient } from "./training-client.js";

type Real = Tensor<"float32">;

const batchSize = 32;
const clientRate = 2e-3;
const decoderRate = 2e-3;
const discriminatorRate = 1e-3;
/** Weight of looking like the victims' smashed data beside being of use to the server segment. */
const likeness = 1;

/**
 * Simulator decoding with adversarial regularisation (SDAR, Zhu et al., NDSS 2025, section 4), for an aggregator that plays by the rules, with auxiliary
 * samples and their classes, and does not know the client segment's weights: it trains a segment of its own so that the server segment can use its smashed
 * data and a discriminator cannot tell them from the victims', and a decoder on those. Here the server segment is the trained one.
 */
export async function simulatedClient(scene: AttackScene): Promise<Real> {
	const { target, runtime, threads, budget, samples, labels, seen, signal, onProgress } = scene;
	const { artifact, manifest } = target;
	const random = scene.random.fork("simulated client");
	const options = { runtime, threads, random };
	const { inputShape: shape, smashedShape } = manifest;
	await using decoder = await TrainedDecoder.load({ ...options, smashedShape, shape, loss: "similarity" });
	await using discriminator = await Discriminator.load(smashedShape, options);
	const params = shuffledWeights(
		manifest.client.params,
		artifactTensor(artifact, "client/params"),
		random.fork("weights"),
	);
	await using client = await TrainingClient.load(artifact, { runtime, threads, params });
	await using gradients = await GradientsAtCut.load(target, { runtime, threads });
	const batches = batchesOf(samples.dims[0] as number, random.fork("batches"), batchSize);
	const victims = batchesOf(seen.dims[0] as number, random.fork("victims"), batchSize);
	for (let step = 1; step <= budget.hijackSteps; step++) {
		signal?.throwIfAborted();
		const falling = 1 - (0.9 * step) / budget.hijackSteps;
		const chosen = batches();
		const x = gather(samples, chosen);
		const y: Tensor<"int64"> = {
			dtype: "int64",
			dims: [chosen.length],
			data: BigInt64Array.from(chosen, (n) => BigInt(labels[n] as number)),
		};
		const own = await client.forward(x, y);
		const { cut: useful } = await gradients.of(own.smashed, y);
		await discriminator.step(gather(seen, victims()), own.smashed, discriminatorRate);
		const alike = (await discriminator.gradient(own.smashed)).data;
		await own.learn(
			{ ...useful, data: useful.data.map((value, i) => value + likeness * (alike[i] as number)) },
			clientRate * falling,
		);
		await decoder.step(own.smashed, x, decoderRate * falling);
		onProgress?.(step / budget.hijackSteps);
	}
	return await decoder.decode(seen);
}
