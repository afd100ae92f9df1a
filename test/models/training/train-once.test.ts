import {
	type Augmentation,
	compileArtifact,
	DeployedSystem,
	deployedMetrics,
	presetDefinition,
	trainOnce,
	withWeights,
	zooNetwork,
} from "@psgl/models";
import { seededRandom } from "@psgl/sdk";
import { decodeArtifact } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { Dataset } from "@psgl/sdk/sources";
import test from "ava";

/** Bright bars, upright or lying, at a random place on noise: the class is the direction. */
function bars(count: number, seed: number): Dataset {
	const random = seededRandom(seed);
	const labels = Int32Array.from({ length: count }, (_, n) => n % 2);
	const samples = new Float32Array(count * 144);
	labels.forEach((label, n) => {
		const at = random.integer(12);
		for (let i = 0; i < 144; i++) {
			const on = (label === 0 ? i % 12 : Math.floor(i / 12)) === at;
			samples[n * 144 + i] = Math.min(1, (on ? 0.7 : 0.1) + 0.2 * random.uniform());
		}
	});
	return new Dataset({ shape: [1, 12, 12], classes: ["upright", "lying"], labels, samples });
}

async function trained(shieldWeight: number, augmentation: Augmentation | null = null) {
	const definition = {
		...presetDefinition("shield", zooNetwork("lenet"), [1, 12, 12], ["upright", "lying"]),
		augmentation,
	};
	const artifact = await compileArtifact(definition, { name: "bars", random: seededRandom(1) });
	const shares: number[] = [];
	const weights = await trainOnce(artifact, bars(256, 1), {
		runtime: nodeRuntime,
		random: seededRandom(2),
		localEpochs: 8,
		serverEpochs: 20,
		batchSize: 32,
		learningRate: 3e-3,
		shieldWeight,
		onProgress: (share) => shares.push(share),
	});
	return { definition, weights, shares, artifact: await decodeArtifact(await withWeights(artifact, weights, "bars")) };
}

test("a code that is sent once tells the class of samples never seen, and the same seed gives the same weights", async (t) => {
	const { artifact, definition, weights, shares } = await trained(1);
	await using system = await DeployedSystem.load(artifact, definition, nodeRuntime);
	const { fused } = await deployedMetrics(system, bars(128, 9));
	t.true((fused?.accuracy ?? 0) > 0.9, `${fused?.accuracy}`);
	t.is(shares.at(-1), 1);
	t.true(shares.every((share, i) => i === 0 || share >= (shares[i - 1] as number)));
	for (const [name, values] of (await trained(1)).weights) t.deepEqual(values, weights.get(name), name);
});

test("an interrupted training ends with the interruption", async (t) => {
	const artifact = await compileArtifact(
		presetDefinition("shield", zooNetwork("lenet"), [1, 12, 12], ["upright", "lying"]),
		{ name: "bars", random: seededRandom(1) },
	);
	const stop = new AbortController();
	const options = {
		runtime: nodeRuntime,
		random: seededRandom(2),
		localEpochs: 1,
		serverEpochs: 1,
		batchSize: 8,
		learningRate: 1e-3,
		shieldWeight: 1,
		signal: stop.signal,
		onProgress: () => stop.abort(new Error("enough")),
	};
	await t.throwsAsync(trainOnce(artifact, bars(64, 1), options), { message: "enough" });
});
