import { differentiate, GraphBuilder, type Value } from "@psgl/models";
import { elementCount, seededRandom, type Tensor } from "@psgl/sdk";
import test from "ava";
import { positiveTensor, smoothTensor } from "../../helpers/gradient-property.js";
import { type BuildOperator, gradientErrors } from "../../helpers/operator-gradients.js";
import { operatorSamples } from "../../helpers/operator-samples/index.js";
import { differentiableInputs } from "../../helpers/operators-table.js";

for (const [type, sample] of Object.entries(operatorSamples)) {
	if (differentiableInputs(sample).length === 0) continue;
	const entries = Object.entries(sample.inputs);
	// Squared, so that the second derivative is more than zero also of what is linear.
	const squared: BuildOperator = (g, values) => {
		const y = sample.build(g, values);
		return g.add("Mul", [y, y]);
	};

	test(`${type}: first and second derivatives against finite differences`, async (t) => {
		const random = seededRandom(23).fork(type);
		const draw = (dims: readonly number[]): Tensor<"float32"> =>
			sample.positive ? positiveTensor(random, dims) : smoothTensor(random, dims, sample.kinks ?? []);
		const inputs = Object.fromEntries(entries.map(([name, dims]) => [name, draw(dims)]));
		const batched = sample.batched ?? Object.keys(inputs).slice(0, 1);
		for (const build of [sample.build, squared]) {
			const { first, second } = await gradientErrors(inputs, build, { random, step: 5e-3, batched });
			t.true(first < 4e-3, `first derivative off by ${first}`);
			t.true(second < 4e-3, `second derivative off by ${second}`);
		}
	});

	test(`${type}: its backward is made of operators that have a backward themselves`, (t) => {
		const g = new GraphBuilder("test");
		const values = Object.fromEntries(entries.map(([name, dims]) => [name, g.input(name, "float32", dims)]));
		let value = squared(g, values);
		for (let order = 1; order <= 3; order++) {
			const shape = value.shape as readonly number[];
			const ones = g.floats(new Float32Array(elementCount(shape)).fill(1), shape);
			const gradients = differentiate(g, [{ value, gradient: ones }], Object.values(values));
			// What is constant has no derivative of the next order.
			const next: Value | undefined = gradients[0];
			if (next === undefined) break;
			t.deepEqual(next.shape, entries[0]?.[1] as readonly number[]);
			value = next;
		}
		t.pass();
	});
}
