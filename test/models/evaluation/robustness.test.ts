import { attackedAccuracy, attackNames, DeployedSystem } from "@psgl/models";
import { seededRandom } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { decisions } from "../../helpers/fused-accuracy.js";
import { trainedModel } from "../../helpers/trained-model.js";

/** Pictures attacked. */
const count = 20;

for (const mode of ["none", "paper"] as const) {
	test(`${mode}: accuracy under attack is counted by stream, and never above the clean one`, async (t) => {
		const { artifact, definition, data } = await trainedModel(mode, { epochs: 2 });
		await using system = await DeployedSystem.load(artifact, definition, nodeRuntime);
		const part = data.test.subset(Array.from({ length: count }, (_, i) => i));
		const progress: [number, number][] = [];
		const options = {
			random: seededRandom(1),
			onProgress: (done: number, total: number) => progress.push([done, total]),
		};
		const attacked = await attackedAccuracy(system, part, options);
		t.deepEqual(progress, [[count, count]]);
		t.deepEqual(Object.keys(attacked), [...attackNames]);
		const { x } = part.batch(Array.from({ length: count }, (_, i) => i));
		const scores = await system.scores(x);
		system.rows.forEach((name, row) => {
			const right = decisions(scores, row).map((decision, b) => decision === part.labels[b]);
			const clean = right.filter(Boolean).length / count;
			for (const attack of attackNames) {
				const accuracy = attacked[attack].accuracy[name] as number;
				t.true(accuracy >= 0 && accuracy <= clean, `${attack} ${name}: ${accuracy} of ${clean}`);
				t.true(Number.isInteger(Math.round(accuracy * count * 1e6) / 1e6));
			}
			// A larger budget holds every attack of a smaller one; single pictures may be luck.
			const { pgd2, pgd8 } = attacked;
			t.true((pgd8.accuracy[name] as number) <= (pgd2.accuracy[name] as number) + 0.05);
		});
		t.deepEqual(await attackedAccuracy(system, part, { random: seededRandom(1) }), attacked);
	});
}

test("an aborted evaluation stops", async (t) => {
	const { artifact, definition, data } = await trainedModel("none", { epochs: 0 });
	await using system = await DeployedSystem.load(artifact, definition, nodeRuntime);
	const reason = new Error("enough");
	const options = { random: seededRandom(1), signal: AbortSignal.abort(reason) };
	t.is(await t.throwsAsync(attackedAccuracy(system, data.test, options)), reason);
});
