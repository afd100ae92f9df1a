import {
	type AttackScene,
	AuditTarget,
	auditBudgets,
	compileArtifact,
	presetDefinition,
	reconstructionAttacks,
	zooNetwork,
} from "@psgl/models";
import { elementCount, seededRandom, type Tensor, tensor } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";

const budget = {
	...auditBudgets.quick,
	optimisedVictims: 3,
	kernelSamples: 40,
	decoderSteps: 3,
	inversionSteps: 4,
};

function drawn(count: number, shape: readonly number[], name: string): Tensor<"float32"> {
	const random = seededRandom(1).fork(name);
	const dims = [count, ...shape];
	return tensor(
		"float32",
		dims,
		Float32Array.from({ length: elementCount(dims) }, () => random.uniform()),
	);
}

const cases = [
	["lenet", [1, 13, 18], "int8"],
	["lenet", [3, 28, 28], "float32"],
	["resnet-small", [1, 32, 32], "float16"],
	["ecg-1d", [1, 90], "float16"],
] as const;

for (const [network, shape, wire] of cases) {
	test(`every attack on ${network} rebuilds samples of shape [${shape.join(",")}], sent as ${wire}`, async (t) => {
		const definition = presetDefinition("paper", zooNetwork(network), shape, ["a", "b", "c"]);
		const artifact = await compileArtifact(definition, { name: network, random: seededRandom(1) });
		await using target = await AuditTarget.load(artifact, { runtime: nodeRuntime, wire });
		const samples = drawn(50, shape, "samples");
		const release = async (count: number, name: string) => target.release(drawn(count, shape, name));
		const scene: AttackScene = {
			target,
			samples,
			pairs: await target.release(samples),
			seen: await release(5, "victims"),
			earlier: [{ pairs: await release(50, "earlier"), seen: await release(5, "before") }],
			budget,
			runtime: nodeRuntime,
			threads: 1,
			random: seededRandom(2),
		};
		for (const [name, { run }] of Object.entries(reconstructionAttacks)) {
			const rebuilt = await run(scene);
			t.deepEqual(rebuilt.dims, [name === "white-box" ? 3 : 5, ...shape], name);
			t.true(
				rebuilt.data.every((value) => value >= 0 && value <= 1),
				name,
			);
		}
	});
}
