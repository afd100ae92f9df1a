import { type AttackVariant, DeployedSystem, fgsm, jsmaAttack, pgd10, type SignAttack, signAttack } from "@psgl/models";
import { seededRandom, type Tensor } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { fusedAccuracy } from "../../helpers/fused-accuracy.js";
import { type TrainedModel, trainedModel } from "../../helpers/trained-model.js";

interface Victim extends TrainedModel {
	readonly system: DeployedSystem;
}

async function victim(training: Promise<TrainedModel>): Promise<Victim> {
	const trained = await training;
	return { ...trained, system: await DeployedSystem.load(trained.artifact, trained.definition, nodeRuntime) };
}

/** Recovery with a threshold that takes much away, so that the two gradients through it differ. */
const svt = { kind: "svt", part: "low-rank", threshold: 0.3, absolute: false } as const;
const vanilla = victim(trainedModel("none"));
const withRecovery = victim(trainedModel("paper", { epochs: 1, changed: { recovery: svt } }));

test.after.always(async () => {
	for (const { system } of [await vanilla, await withRecovery]) await system.close();
});

function testBatch({ data }: TrainedModel, count: number) {
	const { x, y } = data.test.batch(Array.from({ length: count }, (_, i) => i));
	return { x, y, labels: data.test.labels.subarray(0, count) };
}

function distance(a: Tensor<"float32">, b: Tensor<"float32">): number {
	return a.data.reduce((most, v, i) => Math.max(most, Math.abs(v - (b.data[i] as number))), 0);
}

const inRange = (x: Tensor<"float32">) => x.data.every((v) => v >= 0 && v <= 1);

const constant: AttackVariant = { form: "straight-through", map: "constant", loss: "sum" };
const recomputed: AttackVariant = { form: "straight-through", map: "recomputed", loss: "fused" };

const attacks: readonly (readonly [string, SignAttack])[] = [
	["FGSM 8/255", fgsm(8 / 255)],
	["PGD-10 2/255", pgd10(2 / 255)],
	["PGD-10 8/255", pgd10(8 / 255)],
];

for (const [name, attack] of attacks) {
	test(`${name} uses its budget up and keeps pictures in range, with and without a map and recovery`, async (t) => {
		for (const trained of [await vanilla, await withRecovery]) {
			const { system } = trained;
			const { x, y } = testBatch(trained, 4);
			// Black and white pixels, where only one direction is free.
			x.data.fill(0, 0, 40).fill(1, 40, 80);
			for (const form of system.gradientForms) {
				for (const variant of [constant, recomputed]) {
					const attacked = await signAttack(system, x, y, attack, { ...variant, form }, seededRandom(1));
					t.true(inRange(attacked));
					const moved = distance(attacked, x);
					t.true(moved <= attack.epsilon + 1e-6, `${moved}`);
					t.true(moved > 0.9 * attack.epsilon, `${moved}`);
				}
			}
		}
	});
}

test("the JSMA-like map stays within its budget, adds only, and keeps pictures in range", async (t) => {
	for (const trained of [await vanilla, await withRecovery]) {
		const { system } = trained;
		const { x } = testBatch(trained, 6);
		x.data.fill(1, 0, 40);
		for (const form of system.gradientForms) {
			const attacked = await jsmaAttack(system, x, 0.5, form);
			t.true(inRange(attacked));
			t.true(distance(attacked, x) <= 0.5 + 1e-6);
			t.true(attacked.data.every((v, i) => v >= (x.data[i] as number)));
			const perturbation = await system.jsmaPerturbation(x, (await system.device(x)).map, 0.5, form);
			// Every picture's own map reaches the budget.
			for (let b = 0; b < 6; b++) {
				const own = perturbation.data.subarray(b * 256, (b + 1) * 256);
				t.true(Math.abs(Math.max(...own) - 0.5) < 1e-5);
			}
		}
	}
});

test("exact and straight-through gradients through the recovery are not the same", async (t) => {
	const trained = await withRecovery;
	const { system } = trained;
	t.deepEqual(system.gradientForms, ["exact", "straight-through"]);
	t.deepEqual((await vanilla).system.gradientForms, ["straight-through"]);
	const { x, y } = testBatch(trained, 4);
	const { map } = await system.device(x);
	const [exact, through] = [
		await system.lossGradient(x, map, y, "sum", "exact"),
		await system.lossGradient(x, map, y, "sum", "straight-through"),
	];
	t.true([...exact.data, ...through.data].every(Number.isFinite));
	t.true(distance(exact, through) > 1e-3 * Math.max(...exact.data.map(Math.abs)));
});

test("the gradient of the loss is what finite differences of the scores say", async (t) => {
	for (const trained of [await vanilla, await withRecovery]) {
		const { system } = trained;
		const { x, y, labels } = testBatch(trained, 1);
		// The device's own map left away: its budget is zero.
		const map = system.rows.length > 2 ? (await system.device(x, false)).map : undefined;
		const gradient = (await system.lossGradient(x, map, y, "fused", system.gradientForms[0] ?? "exact")).data;
		const size = Math.sqrt(gradient.reduce((sum, v) => sum + v * v, 0));
		const lossAt = async (by: number) => {
			const moved = { ...x, data: x.data.map((v, i) => v + (by * (gradient[i] as number)) / size) };
			const scores = (await system.scores(moved, false)).data;
			return -Math.log(scores.at(2 * (system.rows.length - 1) + (labels[0] as number)) as number);
		};
		const step = 1e-2;
		const slope = ((await lossAt(step)) - (await lossAt(-step))) / (2 * step);
		t.true(Math.abs(slope / size - 1) < 0.05, `${slope} against ${size}`);
	}
});

test("attacks cost a trained model far more than noise of the same size", async (t) => {
	const trained = await vanilla;
	const { system } = trained;
	const { x, y, labels } = testBatch(trained, 120);
	const clean = await fusedAccuracy(system, x, labels);
	const random = seededRandom(3);
	const noisy = (size: number, add: boolean) => ({
		...x,
		data: x.data.map((v) => Math.min(Math.max(v + (add || random.uniform() < 0.5 ? size : -size), 0), 1)),
	});
	const epsilon = 8 / 255;
	const noise = await fusedAccuracy(system, noisy(epsilon, false), labels);
	t.true(noise > clean - 0.1, `${noise} of ${clean}`);
	for (const attack of [fgsm(epsilon), pgd10(epsilon)]) {
		const attacked = await signAttack(system, x, y, attack, constant, random);
		const accuracy = await fusedAccuracy(system, attacked, labels);
		t.true(accuracy < noise - 0.25, `${accuracy}, with noise ${noise}`);
	}
});
