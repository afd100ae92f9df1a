import {
	AuditTarget,
	anchors,
	auditBudgets,
	auditData,
	Discriminator,
	openScene,
	type ReconstructionName,
	ReconstructionQuality,
	reconstructionAttacks,
} from "@psgl/models";
import { seededRandom, type Tensor, tensor } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test, { type ExecutionContext } from "ava";
import { trainedModel } from "../../helpers/trained-model.js";

type Real = Tensor<"float32">;

/** Similarity of an attack's reconstructions on the undefended network, and of the mean sample. */
async function attacked(name: ReconstructionName, hijackSteps: number): Promise<{ found: number; mean: number }> {
	const { artifact, data } = await trainedModel("none", { epochs: 1 });
	await using target = await AuditTarget.load(artifact, { runtime: nodeRuntime, wire: "float16" });
	const budget = { ...auditBudgets.quick, victims: 24, candidates: 64, hijackSteps };
	const parts = auditData(data, undefined, budget, seededRandom(1));
	const options = { budget, runtime: nodeRuntime, threads: 1, random: seededRandom(2) };
	const rebuilt = await reconstructionAttacks[name].run(await openScene(target, parts, options));
	const { x } = parts.victims.batch(Array.from({ length: parts.victims.length }, (_, i) => i));
	await using quality = await ReconstructionQuality.load(nodeRuntime, data.train.shape);
	const { mean } = anchors(parts.attacker, parts.victims.labels);
	return {
		found: (await quality.measure(x, rebuilt)).similarity,
		mean: (await quality.measure(x, mean)).similarity,
	};
}

async function beatsTheMean(t: ExecutionContext, name: ReconstructionName, steps: number): Promise<void> {
	const { found, mean } = await attacked(name, steps);
	t.log(`${name}: ${found.toFixed(3)}, mean sample ${mean.toFixed(3)}`);
	t.true(found > mean + 0.05, `${found} ${mean}`);
}

test("an aggregator that hands out an encoder's weights rebuilds samples", (t) =>
	beatsTheMean(t, "planted-weights", 150));
test("an aggregator that steers the device by gradients rebuilds samples", (t) =>
	beatsTheMean(t, "feature-hijack", 250));

test("an aggregator that plays by the rules learns to rebuild samples through a segment of its own", async (t) => {
	const [early, late] = [await attacked("simulated-client", 5), await attacked("simulated-client", 200)];
	t.true(late.found > early.found + 0.1, `${early.found} ${late.found}`);
});

test("a discriminator's gradient makes smashed data look like the wanted ones", async (t) => {
	const shape = [3, 4, 4];
	const random = seededRandom(1);
	await using judge = await Discriminator.load(shape, { runtime: nodeRuntime, threads: 1, random });
	const drawn = (mean: number): Real =>
		tensor(
			"float32",
			[8, ...shape],
			Float32Array.from({ length: 8 * 48 }, () => mean + 0.3 * random.normal()),
		);
	for (let step = 0; step < 100; step++) await judge.step(drawn(1), drawn(-1), 2e-3);
	const meanOf = ({ data }: Real) => data.reduce((sum, value) => sum + value / data.length, 0);
	t.true(meanOf(await judge.gradient(drawn(-1))) < 0, "descending it raises the others towards the wanted");
	let moved = drawn(-1);
	for (let step = 0; step < 300; step++) {
		const slope = (await judge.gradient(moved)).data;
		moved = { ...moved, data: moved.data.map((value, i) => value - 60 * (slope[i] as number)) };
	}
	t.true(meanOf(moved) > 0, `${meanOf(moved)}`);
});
