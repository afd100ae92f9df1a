import {
	AuditTarget,
	auditBudgets,
	clientGradients,
	loadClientGradient,
	openScene,
	reconstructionAttacks,
	shuffledWeights,
} from "@psgl/models";
import { seededRandom, type Tensor, tensor } from "@psgl/sdk";
import { artifactGraph, artifactTensor } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { smallDataset, smallModel, smallShape } from "../../helpers/small-model.js";

type Real = Tensor<"float32">;

const options = { runtime: nodeRuntime, threads: 1 };

test("the gradient an attacker sees is the change of the device's smashed data along it, by differences", async (t) => {
	const { joint } = await smallModel("none");
	await using target = await AuditTarget.load(joint, { ...options, wire: "float32" });
	const data = smallDataset(8);
	const [seen] = await clientGradients(target, data, 1, options);
	const [cut, gradient] = [seen?.cut as Real, seen?.client as Real];
	const params = artifactTensor(joint, "client/params");
	t.is(gradient.data.length, params.data.length);
	const length = Math.hypot(...gradient.data);
	t.true(length > 0);
	await using session = await nodeRuntime.load(artifactGraph(joint, "client/infer"));
	const loss = async (step: number): Promise<number> => {
		const moved = params.data.map((value, i) => value + (step * (gradient.data[i] as number)) / length);
		const { smashed } = await session.run({
			x: data.batch([0]).x,
			params: { ...params, data: moved },
			stats: artifactTensor(joint, "client/stats"),
			head: artifactTensor(joint, "client/head"),
		});
		return (smashed as Real).data.reduce((sum, value, i) => sum + value * (cut.data[i] as number), 0);
	};
	const step = 2e-3;
	const slope = ((await loss(step)) - (await loss(-step))) / (2 * step);
	t.true(Math.abs(slope - length) < 0.05 * length, `${slope} ${length}`);
});

test("attacks on gradients end nearer to the gradient seen than they began", async (t) => {
	const { joint } = await smallModel("none");
	await using target = await AuditTarget.load(joint, { ...options, wire: "float32" });
	const victims = smallDataset(4, 2);
	const data = { attacker: smallDataset(50, 3), victims, candidates: victims };
	const seen = await clientGradients(target, victims, 2, options);
	await using gradients = await loadClientGradient(target, options);
	/** Mean cosine of the angle between what was seen and what the attack's samples make. */
	const cosine = async (name: "deep-leakage" | "inverting-gradients", gradientSteps: number): Promise<number> => {
		const budget = { ...auditBudgets.quick, gradientVictims: 2, gradientSteps };
		const scene = await openScene(target, data, { ...options, budget, random: seededRandom(1) });
		const { data: samples } = await reconstructionAttacks[name].run(scene);
		let sum = 0;
		for (const [n, { cut, client }] of seen.entries()) {
			const x = tensor("float32", [1, ...smallShape], samples.slice(64 * n, 64 * (n + 1)));
			const own = ((await gradients.run({ x, cut })).gradient as Real).data;
			const product = own.reduce((total, value, i) => total + value * (client.data[i] as number), 0);
			sum += product / (Math.hypot(...own) * Math.hypot(...client.data));
		}
		return sum / seen.length;
	};
	for (const name of ["deep-leakage", "inverting-gradients"] as const) {
		const [before, after] = [await cosine(name, 1), await cosine(name, 150)];
		t.true(after > before + 0.02, `${name}: ${before} ${after}`);
	}
});

test("shuffled weights are the same numbers of each tensor elsewhere", async (t) => {
	const { joint } = await smallModel("none");
	const params = artifactTensor(joint, "client/params");
	const { params: entries } = joint.manifest.client;
	const shuffled = shuffledWeights(entries, params, seededRandom(1));
	t.notDeepEqual(shuffled.data, params.data);
	for (const { offset, shape } of entries) {
		const part = ({ data }: Real) => data.slice(offset, offset + shape.reduce((a, b) => a * b, 1)).sort();
		t.deepEqual(part(shuffled), part(params));
	}
	t.deepEqual(shuffledWeights(entries, params, seededRandom(1)), shuffled);
});
