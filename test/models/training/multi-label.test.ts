import { compileArtifact, DeployedSystem, JointTrainer, multiLabelMetrics, withWeights } from "@psgl/models";
import { ShapeError, seededRandom } from "@psgl/sdk";
import { decodeArtifact } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { Dataset } from "@psgl/sdk/sources";
import test from "ava";
import { areaNames, areas, areasDefinition } from "../../helpers/areas.js";

for (const mode of ["none", "paper"] as const) {
	test(`${mode}: several labels a sample are learned, and decided better than by what most samples have`, async (t) => {
		const definition = areasDefinition(mode);
		const artifact = await compileArtifact(definition, { name: "areas", random: seededRandom(1) });
		const train = areas(96, 2);
		await using trainer = await JointTrainer.create(artifact, { runtime: nodeRuntime, random: seededRandom(3) });
		const losses: number[] = [];
		for (let epoch = 0; epoch < 12; epoch++) losses.push(await trainer.epoch(train, epoch, 16, () => 0.003));
		t.true((losses.at(-1) as number) < 0.5 * (losses[0] as number), losses.join());
		const trained = await decodeArtifact(await withWeights(artifact, trainer.weights(), "synthetic"));
		await using system = await DeployedSystem.load(trained, definition, nodeRuntime);
		const held = areas(64, 4);
		const { x } = held.batch(Array.from({ length: 64 }, (_, i) => i));
		const scores = await system.scores(x);
		const rows = system.rows.length;
		t.deepEqual(scores.dims, [64, rows, 3]);
		const fused = Float32Array.from(
			{ length: 64 * 3 },
			(_, i) => scores.data[(Math.floor(i / 3) * rows + rows - 1) * 3 + (i % 3)] as number,
		);
		t.true(fused.every((p) => p >= 0 && p <= 1));
		const metrics = multiLabelMetrics(fused, held.targets as Uint8Array, 3);
		t.true(metrics.auc > 0.9, `AUC ${metrics.auc}`);
		t.true(metrics.accuracy > metrics.majorityAccuracy + 0.1, `${metrics.accuracy}, ${metrics.majorityAccuracy}`);
	});
}

test("a subset keeps the targets of its samples", (t) => {
	const data = areas(10, 5);
	const { y } = data.subset([7, 2]).batch([0, 1]);
	t.deepEqual(y.dims, [2, 3]);
	const targets = data.targets as Uint8Array;
	t.deepEqual(Array.from(y.data, Number), [...targets.subarray(21, 24), ...targets.subarray(6, 9)]);
});

test("targets of another number of classes are refused", (t) => {
	const { shape, labels, samples } = areas(4, 6);
	const build = () => new Dataset({ shape, classes: areaNames, labels, samples, targets: new Uint8Array(11) });
	t.is(t.throws(build, { instanceOf: ShapeError })?.code, "PSGL_DATA_LENGTH");
});

test("metrics by hand: one label known, one guessed wrong, one that never applies", (t) => {
	const scores = Float32Array.of(0.9, 0.2, 0.1, 0.6, 0.8, 0.4, 0.3, 0.9, 0.2, 0.1, 0.7, 0.75);
	const targets = [1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
	const metrics = multiLabelMetrics(scores, targets, 3);
	t.is(metrics.samples, 4);
	t.deepEqual(metrics.aucs, [1, 0, Number.NaN]);
	t.is(metrics.auc, 0.5);
	t.deepEqual(metrics.accuracies, [1, 0, 0.75]);
	t.is(metrics.majorityAccuracy, (0.5 + 0.75 + 1) / 3);
	t.deepEqual(metrics.majorityAccuracies, [0.5, 0.75, 1]);
	t.is(metrics.balancedAccuracy, 0.5, "the third label has no samples of both kinds");
	t.is(metrics.exactMatch, 0);
	t.is(metrics.majorityExactMatch, 0.5, "none of the labels: the third and the fourth sample");
	t.throws(() => multiLabelMetrics(scores, [2, ...targets.slice(1)], 3), { instanceOf: ShapeError });
	t.throws(() => multiLabelMetrics(scores, targets.slice(1), 3), { instanceOf: ShapeError });
});
