import { DeployedSystem, JointTrainer, type PrivacyMode } from "@psgl/models";
import { type Runtime, scalar, seededRandom, type Tensor, zeros } from "@psgl/sdk";
import { artifactGraph, artifactTensor } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { Dataset } from "@psgl/sdk/sources";
import test from "ava";
import { fusedAccuracy } from "../../helpers/fused-accuracy.js";
import { interceptedRuntime } from "../../helpers/intercepted-runtime.js";
import { largestDifference } from "../../helpers/largest-difference.js";
import { numbers } from "../../helpers/numbers.js";
import { smallDataset, smallModel } from "../../helpers/small-model.js";
import { trainedModel } from "../../helpers/trained-model.js";

type Weights = ReadonlyMap<string, Tensor<"float32">>;

const all = (count: number) => Array.from({ length: count }, (_, i) => i);

const fresh = async (mode: PrivacyMode) => (await smallModel(mode)).joint;

/** Weights after two short epochs. */
async function weightsAfter(mode: PrivacyMode, seed: number, data: Dataset): Promise<Weights> {
	const options = { runtime: nodeRuntime, random: seededRandom(seed) };
	await using trainer = await JointTrainer.create(await fresh(mode), options);
	for (const epoch of [0, 1]) await trainer.epoch(data, epoch, 4, () => 1e-2);
	return trainer.weights();
}

for (const mode of ["none", "paper", "robust"] as const) {
	test.serial(`${mode}: a few epochs on the phantom beat the majority class by far`, async (t) => {
		const { artifact, definition, data, losses } = await trainedModel(mode);
		t.true((losses.at(-1) as number) < 0.6 * (losses[0] as number), losses.join());
		await using system = await DeployedSystem.load(artifact, definition, nodeRuntime);
		const { x } = data.test.batch(all(data.test.length));
		const accuracy = await fusedAccuracy(system, x, data.test.labels);
		const ones = data.test.labels.filter((label) => label === 1).length / data.test.length;
		const majority = Math.max(ones, 1 - ones);
		t.true(accuracy > majority + 0.15, `${accuracy}, majority ${majority}`);
	});

	test.serial(`${mode}: a seed gives the same weights bit for bit, another seed others`, async (t) => {
		const data = smallDataset(14);
		const once = await weightsAfter(mode, 1, data);
		t.deepEqual(await weightsAfter(mode, 1, data), once);
		const other = await weightsAfter(mode, 2, data);
		for (const name of ["client/params", "client/stats", "client/head", "server/params", "server/stats"]) {
			t.notDeepEqual(other.get(name), once.get(name), name);
		}
	});
}

test("every sample is seen once an epoch, a single one at the end left out", async (t) => {
	const options = { runtime: nodeRuntime, random: seededRandom(1) };
	await using trainer = await JointTrainer.create(await fresh("none"), options);
	const seen: number[] = [];
	class Watched extends Dataset {
		override batch(indices: ArrayLike<number>) {
			seen.push(...Array.from(indices));
			return super.batch(indices);
		}
	}
	const { shape, classes, labels, samples } = smallDataset(13);
	const watched = new Watched({ shape, classes, labels, samples });
	const rates: number[] = [];
	const rate = (batch: number) => {
		rates.push(batch);
		return 1e-3;
	};
	await trainer.epoch(watched, 0, 4, rate);
	t.is(seen.length, 12);
	t.is(new Set(seen).size, 12);
	t.deepEqual(rates, [0, 1, 2]);
	const first = seen.splice(0).join();
	await trainer.epoch(watched, 1, 5, rate);
	t.is(new Set(seen).size, 13);
	t.not(seen.slice(0, 12).join(), first);
});

test("a class counts as much as its weight says", async (t) => {
	// The same picture under both labels: what is learned is the share of each label's weight.
	const { shape, classes, labels, samples } = smallDataset(8);
	const same = samples.slice().fill(0.5);
	const data = new Dataset({ shape, classes, labels, samples: same });
	const lossWith = async (weights: readonly [number, number]) => {
		const classWeights = { dtype: "float32", dims: [2], data: Float32Array.from(weights) } as const;
		const options = { runtime: nodeRuntime, random: seededRandom(1), classWeights };
		await using trainer = await JointTrainer.create(await fresh("none"), options);
		for (let i = 0; i < 40; i++) await trainer.step(data, all(8), 1e-2);
		return (await trainer.step(data, all(8), 0)).losses[0] as number;
	};
	t.true(Math.abs((await lossWith([1, 1])) - Math.log(2)) < 0.01);
	const entropy = -0.75 * Math.log(0.75) - 0.25 * Math.log(0.25);
	t.true(Math.abs((await lossWith([3, 1])) - entropy) < 0.01);
});

/** ONNX Runtime, with what the graphs that make a map return kept. */
function recordingRuntime(maps: Record<string, Tensor>[]): Runtime {
	return interceptedRuntime(async (_, run) => {
		const out = await run();
		// Those of one step are written over by the next.
		if (out.map !== undefined) maps.push(structuredClone(out));
		return out;
	});
}

for (const mode of ["paper", "robust"] as const) {
	test(`${mode}: what leaves the device does not depend on the labels`, async (t) => {
		const data = smallDataset(8);
		const { shape, classes, samples } = data;
		const swapped = new Dataset({ shape, classes, samples, labels: data.labels.map((label) => 1 - label) });
		const maps: Record<string, Tensor>[] = [];
		const losses: number[] = [];
		for (const labelled of [data, swapped]) {
			const options = { runtime: recordingRuntime(maps), random: seededRandom(1) };
			await using trainer = await JointTrainer.create(await fresh(mode), options);
			losses.push((await trainer.step(labelled, all(8), 1e-2)).losses.at(-1) as number);
		}
		t.deepEqual(maps[1], maps[0]);
		t.not(losses[1], losses[0]);
		t.true(numbers(maps[0]?.map).some((v) => v > 0));
	});
}

test("the robust perturbation keeps within its budget and the picture within [0,1], step after step", async (t) => {
	const artifact = await fresh("robust");
	const budget = artifact.manifest.robustBudget;
	await using forward = await nodeRuntime.load(artifactGraph(artifact, "client/forward"));
	await using train = await nodeRuntime.load(artifactGraph(artifact, "client/train"));
	const data = smallDataset(5);
	const { y } = data.batch(all(5));
	// Black and white pictures: nothing can be added to one pixel, nothing taken from the other.
	const x = { ...data.batch(all(5)).x, data: Float32Array.from({ length: 5 * 64 }, (_, i) => i % 2) };
	const state = {
		params: artifactTensor(artifact, "client/params"),
		stats: artifactTensor(artifact, "client/stats"),
		head: artifactTensor(artifact, "client/head"),
	};
	const slots = (v: Tensor) => zeros("float32", [2 * v.data.length]);
	let delta: Tensor = zeros("float32", x.dims);
	const random = seededRandom(4);
	const far = new Set<number>();
	for (let step = 1; step <= 3; step++) {
		const out = await forward.run({ ...state, x, delta, budget: scalar(0) });
		const { dims, data: values } = out.smashed as Tensor<"float32">;
		const next = await train.run({
			...state,
			x,
			y,
			delta,
			...out,
			cutGradient: { dtype: "float32", dims, data: values.map(() => random.normal()) },
			slots: slots(state.params),
			headSlots: slots(state.head),
			learningRate: scalar(0),
			headLearningRate: scalar(0),
			step: scalar(step),
			robustBudget: scalar(budget),
		});
		const moved = next.next_delta as Tensor<"float32">;
		t.true(moved.data.every((d) => Math.abs(d) <= budget * (1 + 1e-6)));
		t.true(largestDifference(moved, delta) > 0.5 * budget);
		for (const d of moved.data) far.add(Math.round((Math.abs(d) / budget) * 4));
		// What the client segment sees is clipped: a perturbation out of the range changes nothing.
		const outwards = { ...x, data: x.data.map((v) => (v === 1 ? budget : -budget)) };
		const none = await forward.run({ ...state, x, delta: zeros("float32", x.dims), budget: scalar(0) });
		const clipped = await forward.run({ ...state, x, delta: outwards, budget: scalar(0) });
		t.deepEqual(clipped.smashed, none.smashed);
		delta = moved;
	}
	t.true(far.has(4));
});
