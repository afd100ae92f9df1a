import { differentiate, GraphBuilder, type Value } from "@psgl/models";
import { elementCount } from "@psgl/sdk";
import test from "ava";
import { operatorSamples } from "../../helpers/operator-samples/index.js";

/** Operators whose results are integers or booleans, through which no gradient flows. */
const isDiscrete = ({ dtype }: Value) => dtype !== "float32";

for (const [type, { inputs: dims, build }] of Object.entries(operatorSamples)) {
	test(`${type}: its backward is made of operators that have a backward themselves`, (t) => {
		const g = new GraphBuilder("test");
		const inputs = Object.fromEntries(Object.entries(dims).map(([name, d]) => [name, g.input(name, "float32", d)]));
		const out = build(g, inputs);
		if (isDiscrete(out)) {
			t.pass();
			return;
		}
		// Squared, so that what is linear has a second derivative too.
		let values: readonly Value[] = [g.add("Mul", [out, out])];
		for (let order = 1; order <= 3; order++) {
			const seeds = values.map((value) => {
				const shape = value.shape as readonly number[];
				return { value, gradient: g.floats(new Float32Array(elementCount(shape)).fill(1), shape) };
			});
			const gradients = differentiate(g, seeds, Object.values(inputs));
			for (const [i, gradient] of gradients.entries()) {
				if (gradient !== undefined) t.deepEqual(gradient.shape, Object.values(inputs)[i]?.shape);
			}
			values = gradients.filter((gradient) => gradient !== undefined);
		}
		t.pass();
	});
}
