import {
	AuditTarget,
	auditBudgets,
	compileArtifact,
	openScene,
	presetDefinition,
	presetTail,
	reconstructionAttacks,
	releasesOf,
	zooNetwork,
} from "@psgl/models";
import { elementCount, seededRandom } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { Dataset } from "@psgl/sdk/sources";
import test from "ava";

const classes = ["a", "b", "c"];
const budget = {
	...auditBudgets.quick,
	optimisedVictims: 3,
	kernelSamples: 40,
	decoderSteps: 3,
	inversionSteps: 4,
	gradientVictims: 2,
	gradientSteps: 3,
	hijackSteps: 3,
};
/** Victims that an attack takes; all five where it is not here. */
const victims: Readonly<Record<string, number>> = {
	"white-box": 3,
	unsplit: 3,
	"deep-leakage": 2,
	"inverting-gradients": 2,
};

function drawn(count: number, shape: readonly number[], name: string): Dataset {
	const random = seededRandom(1).fork(name);
	const samples = Float32Array.from({ length: count * elementCount(shape) }, () => random.uniform());
	return new Dataset({ shape, classes, samples, labels: Int32Array.from({ length: count }, (_, n) => n % 3) });
}

const cases = [
	["lenet", [1, 13, 18], "int8"],
	["lenet", [1, 14, 14], "float16", "with labels on the device"],
	["lenet", [3, 28, 28], "float32"],
	["resnet-small", [1, 32, 32], "float16"],
	["ecg-1d", [1, 90], "float16"],
] as const;

for (const [network, shape, wire, labels] of cases) {
	test(`every attack on ${network} ${labels ?? ""} rebuilds samples of shape [${shape.join(",")}], sent as ${wire}`, async (t) => {
		const tail = labels === undefined ? null : presetTail;
		const definition = { ...presetDefinition("paper", zooNetwork(network), shape, classes), tail };
		const artifact = await compileArtifact(definition, { name: network, random: seededRandom(1) });
		await using target = await AuditTarget.load(artifact, { runtime: nodeRuntime, wire });
		const five = drawn(5, shape, "victims");
		const data = { attacker: drawn(50, shape, "samples"), victims: five, candidates: five };
		const earlier = [await releasesOf(target, data)];
		const options = { budget, runtime: nodeRuntime, threads: 1, random: seededRandom(2), earlier };
		const scene = await openScene(target, data, options);
		for (const [name, { run }] of Object.entries(reconstructionAttacks)) {
			const rebuilt = await run(scene);
			t.deepEqual(rebuilt.dims, [victims[name] ?? 5, ...shape], name);
			t.true(
				rebuilt.data.every((value) => value >= 0 && value <= 1),
				name,
			);
		}
	});
}
