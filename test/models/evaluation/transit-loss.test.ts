import { DeployedSystem, fitMaskedPrior, transitLoss } from "@psgl/models";
import { ArtifactError, seededRandom } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { trainedModel } from "../../helpers/trained-model.js";

const robust = (async () => {
	const trained = await trainedModel("robust");
	const { artifact, definition, data } = trained;
	const system = await DeployedSystem.load(artifact, definition, nodeRuntime);
	const { x } = data.train.batch(Array.from({ length: data.train.length }, (_, i) => i));
	const { smashed } = await system.device(x);
	const { recovery } = artifact.manifest;
	const rank = recovery.kind === "masked" ? recovery.rank : 0;
	return { ...trained, system, prior: await fitMaskedPrior(nodeRuntime, smashed, { rank }) };
})();

test("with nothing lost, recovery changes no decision", async (t) => {
	const { system, artifact, data, prior } = await robust;
	const options = { fraction: 0, prior, runtime: nodeRuntime, random: seededRandom(1) };
	const { complete, unrecovered, recovered } = await transitLoss(system, artifact, data.test, options);
	t.is(complete.samples, data.test.length);
	t.true(complete.accuracy > 0.75);
	t.deepEqual(unrecovered, complete);
	t.is(recovered.accuracy, complete.accuracy);
	t.deepEqual("confusion" in recovered && recovered.confusion, "confusion" in complete && complete.confusion);
	t.true(Math.abs(recovered.loss - complete.loss) < 1e-4);
});

test("with half of the channels lost, recovery keeps most of what reading zeros loses", async (t) => {
	const { system, artifact, data, prior } = await robust;
	const options = { fraction: 0.5, prior, runtime: nodeRuntime, random: seededRandom(1) };
	const { complete, unrecovered, recovered } = await transitLoss(system, artifact, data.test, options);
	const report = [complete, recovered, unrecovered].map(({ accuracy, loss }) => `${accuracy} (${loss})`).join(", ");
	t.true(unrecovered.loss > complete.loss + 0.05, report);
	t.true(recovered.loss < complete.loss + 0.5 * (unrecovered.loss - complete.loss), report);
	t.true(recovered.balancedAccuracy > unrecovered.balancedAccuracy, report);
	t.true(recovered.balancedAccuracy > complete.balancedAccuracy - 0.05, report);
});

test("with everything lost, no decision can depend on the picture", async (t) => {
	const { system, artifact, data, prior } = await robust;
	const options = { fraction: 1, prior, runtime: nodeRuntime, random: seededRandom(1) };
	const { recovered, unrecovered } = await transitLoss(system, artifact, data.test, options);
	for (const { auc } of [recovered, unrecovered]) t.true(Math.abs(auc - 0.5) < 0.01, `${auc}`);
});

test("an artifact without masked recovery is refused", async (t) => {
	const { data, prior } = await robust;
	const { artifact, definition } = await trainedModel("none", { epochs: 0 });
	await using system = await DeployedSystem.load(artifact, definition, nodeRuntime);
	const options = { fraction: 0.5, prior, runtime: nodeRuntime, random: seededRandom(1) };
	const error = await t.throwsAsync(transitLoss(system, artifact, data.test, options), { instanceOf: ArtifactError });
	t.is(error?.code, "PSGL_ARTIFACT_MEMBER");
});
