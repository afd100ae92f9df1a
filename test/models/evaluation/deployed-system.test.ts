import { DeployedSystem } from "@psgl/models";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { trainedModel } from "../../helpers/trained-model.js";

const streams = { none: ["A"], paper: ["A", "R", "F"], robust: ["A", "R", "F"] } as const;
/** Shares of the streams in the decision before their confidence counts. */
const priors: Readonly<Record<string, number>> = { A: 0.2, R: 0.5, F: 0.3 };

for (const mode of ["none", "paper", "robust"] as const) {
	const deployed = (async () => {
		const trained = await trainedModel(mode, { epochs: 1 });
		return { ...trained, system: await DeployedSystem.load(trained.artifact, trained.definition, nodeRuntime) };
	})();

	test(`${mode}: scores of every stream and of the decision add up to one`, async (t) => {
		const { system, data } = await deployed;
		t.deepEqual(system.rows, [...streams[mode], "fused"]);
		t.is(system.classes, 2);
		const { x } = data.test.batch([0, 1, 2, 3, 4]);
		const rows = system.rows.length;
		for (const withMap of [true, false]) {
			const scores = await system.scores(x, withMap);
			t.deepEqual(scores.dims, [5, rows, 2]);
			for (let i = 0; i < 5 * rows; i++) {
				const [a, b] = scores.data.subarray(i * 2, i * 2 + 2) as unknown as [number, number];
				t.true(a >= 0 && b >= 0 && Math.abs(a + b - 1) < 1e-6);
			}
			for (let b = 0; b < 5; b++) {
				const own = scores.data.subarray(b * rows * 2, (b + 1) * rows * 2);
				let [sum, total] = [0, 0];
				streams[mode].forEach((name, row) => {
					const weight =
						(mode === "none" ? 1 : (priors[name] as number)) * Math.max(...own.subarray(row * 2, row * 2 + 2));
					sum += weight * (own[row * 2 + 1] as number);
					total += weight;
				});
				t.true(Math.abs(sum / total - (own.at(-1) as number)) < 1e-6);
			}
		}
	});

	test(`${mode}: the map is the device's own, within its budget, and gone when it is left away`, async (t) => {
		const { system, definition, data } = await deployed;
		const { x } = data.test.batch([0, 1, 2]);
		const [withMap, plain] = [await system.device(x), await system.device(x, false)];
		if (mode === "none") {
			t.is(withMap.map, undefined);
			t.deepEqual(withMap.smashed, plain.smashed);
			return;
		}
		const budget = definition.map?.budget as number;
		t.true((withMap.map?.data ?? []).every((v) => v >= 0 && v <= budget * (1 + 1e-6)));
		t.true(Math.abs(Math.max(...(withMap.map?.data ?? [])) - budget) < 1e-5);
		t.true((plain.map?.data ?? []).every((v) => v === 0));
		t.notDeepEqual(withMap.smashed.data, plain.smashed.data);
		// A picture's smashed data do not depend on the others in the batch.
		const alone = await system.device(data.test.batch([1]).x);
		const size = alone.smashed.data.length;
		const together = withMap.smashed.data.subarray(size, 2 * size);
		t.true(alone.smashed.data.every((v, i) => Math.abs(v - (together[i] as number)) < 1e-5));
	});
}
