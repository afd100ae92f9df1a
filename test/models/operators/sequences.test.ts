import { seededRandom } from "@psgl/sdk";
import test from "ava";
import { gradientErrors, normalTensor } from "../../helpers/operator-gradients.js";
import { sequenceSamples } from "../../helpers/operator-samples/sequences.js";

for (const [type, { inputs: shapes, build, batched }] of Object.entries(sequenceSamples)) {
	test(`${type}: first and second derivatives against finite differences`, async (t) => {
		const random = seededRandom(23).fork(type);
		const inputs = Object.fromEntries(Object.entries(shapes).map(([name, dims]) => [name, normalTensor(random, dims)]));
		const open = batched ?? Object.keys(inputs);
		const { first, second } = await gradientErrors(inputs, build, { random, step: 1e-2, batched: open });
		t.true(first < 2e-3, `first derivative off by ${first}`);
		t.true(second < 2e-3, `second derivative off by ${second}`);
	});
}
