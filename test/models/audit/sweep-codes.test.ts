import {
	AuditTarget,
	auditBudgets,
	compileArtifact,
	presetDefinition,
	runAudit,
	sweepCodes,
	sweptCodes,
	zooNetwork,
} from "@psgl/models";
import { seededRandom } from "@psgl/sdk";
import type { Artifact } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import type { Dataset } from "@psgl/sdk/sources";
import test from "ava";
import { trainedModel } from "../../helpers/trained-model.js";

const budget = {
	...auditBudgets.quick,
	victims: 16,
	candidates: 40,
	optimisedVictims: 2,
	kernelSamples: 100,
	inversionSteps: 20,
	codeSteps: 60,
};
const options = { runtime: nodeRuntime, seed: 1, budget, wire: "float16" } as const;

test("a sweep measures every width, and a code tells less than what has no defence", async (t) => {
	const { artifact, data } = await trainedModel("none", { epochs: 2 });
	const points = await sweepCodes(artifact.manifest, data, {
		...options,
		attacks: ["kernel-ridge", "linkage"],
		undefended: artifact,
	});
	t.deepEqual(
		points.map(({ bits }) => bits),
		sweptCodes(2).map(({ numbers, bits }) => numbers * bits),
	);
	for (const { bits, balancedAccuracy, leak } of points) {
		t.true(balancedAccuracy >= 0.3 && balancedAccuracy <= 1, `${bits}: ${balancedAccuracy}`);
		t.true(leak < 0.9, `${bits}: ${leak}`);
	}
	t.deepEqual(sweptCodes(10)[0], { numbers: 1, bits: 4 }, "fewer bits cannot tell ten classes apart");
});

test("a code is attacked as it is sent: its bits, and no gradients", async (t) => {
	const { data } = await trainedModel("none", { epochs: 0 });
	const artifact = await codeArtifact(data.train);
	const attacks = ["kernel-ridge", "white-box", "label-gradient", "feature-hijack"] as const;
	const result = await runAudit(artifact, data, { ...options, attacks });
	t.deepEqual(result.release, { values: 6, bits: 6 });
	t.true(new Set(result.pictures.smashed.data).size <= 2, "one of two levels");
	t.deepEqual(
		result.skipped.map(({ name, why }) => [name, /no gradient goes back/.test(why)]),
		[["feature-hijack", true]],
	);
	t.is(result.inferences[0]?.value, Number.NaN);
});

test("a randomised code leaves otherwise every time, and is the code itself without the chance", async (t) => {
	const { data } = await trainedModel("none", { epochs: 0 });
	const { x } = data.test.batch(Array.from({ length: 20 }, (_, i) => i));
	await using plain = await AuditTarget.load(await codeArtifact(data.train), options);
	await using random = await AuditTarget.load(await codeArtifact(data.train, 3), options);
	t.deepEqual([plain.isRandom, random.isRandom], [false, true]);
	const code = await plain.release(x);
	t.deepEqual(await plain.release(x), code);
	t.deepEqual(await random.release(x, { withChance: false }), code);
	const [first, second] = [await random.release(x), await random.release(x)];
	t.notDeepEqual(first, second);
	const turned = first.data.filter((level, i) => level !== code.data[i]).length / first.data.length;
	// 1 / (1 + e^(3/6)) = 0.38 of 120 bits.
	t.true(turned > 0.2 && turned < 0.55, `${turned}`);
});

function codeArtifact({ shape, classes }: Dataset, epsilon?: number): Promise<Artifact> {
	const preset = presetDefinition("shield", zooNetwork("lenet"), shape, classes);
	const disclosure = {
		release: "once",
		budgetBits: null,
		...(epsilon !== undefined && { randomisedResponse: { epsilon } }),
	} as const;
	const definition = { ...preset, code: { numbers: 6, bits: 1 }, disclosure };
	return compileArtifact(definition, { name: "code", random: seededRandom(1) });
}
