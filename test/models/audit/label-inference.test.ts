import { AuditTarget, compileArtifact, labelInference, presetDefinition, presetTail, zooNetwork } from "@psgl/models";
import { elementCount, seededRandom } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { Dataset } from "@psgl/sdk/sources";
import test from "ava";

const shape = [1, 14, 14];
const classes = ["a", "b"];

/** Noise: only the gradient can tell a label. */
function drawn(count: number, name: string): Dataset {
	const random = seededRandom(1).fork(name);
	const samples = Float32Array.from({ length: count * elementCount(shape) }, () => random.uniform());
	return new Dataset({ shape, classes, samples, labels: Int32Array.from({ length: count }, (_, n) => n % 2) });
}

async function found(epsilon: number | undefined): Promise<number> {
	const preset = presetDefinition("paper", zooNetwork("lenet"), shape, classes);
	const disclosure = { ...preset.disclosure, ...(epsilon !== undefined && { randomisedLabels: { epsilon } }) };
	const definition = { ...preset, tail: presetTail, disclosure };
	const artifact = await compileArtifact(definition, { name: "tail", random: seededRandom(1) });
	await using target = await AuditTarget.load(artifact, { runtime: nodeRuntime, wire: "float32" });
	const random = seededRandom(3);
	const result = await labelInference(target, drawn(240, "victims"), drawn(64, "own"), {
		runtime: nodeRuntime,
		random,
	});
	return result?.auc ?? Number.NaN;
}

test("a gradient at the features tells the label it was made of, which a randomised label is not always", async (t) => {
	const [plain, randomised, hidden] = [await found(undefined), await found(2), await found(0.2)];
	t.true(plain > 0.99, `${plain}`);
	// Balanced classes: the area is the chance that a label is kept.
	const kept = (epsilon: number) => 1 / (1 + Math.exp(-epsilon));
	t.true(Math.abs(randomised - kept(2)) < 0.06, `${randomised} ${kept(2)}`);
	t.true(Math.abs(hidden - kept(0.2)) < 0.08, `${hidden} ${kept(0.2)}`);
});
