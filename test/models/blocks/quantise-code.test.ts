import { codeLevels, differentiate, quantiseCode } from "@psgl/models";
import { type Tensor, tensor } from "@psgl/sdk";
import test from "ava";
import { numbers } from "../../helpers/numbers.js";
import { runGraph } from "../../helpers/run-graph.js";

const values = tensor("float32", [2, 3], Float32Array.of(-1, -0.4, 0.2, 0.6, 0.99, 1.7));

async function quantised(bits: number): Promise<Record<string, Tensor>> {
	const gradient = tensor("float32", [2, 3], Float32Array.of(1, -2, 3, 0.5, 0.25, 7));
	return runGraph(
		(g) => {
			const x = g.input("numbers", "float32", ["B", 3]);
			const incoming = g.input("gradient", "float32", ["B", 3]);
			const { indices, levels, constants } = quantiseCode(g, x, bits);
			g.output("indices", indices);
			g.output("levels", levels);
			g.output("decoded", codeLevels(g, indices, bits));
			const [back] = differentiate(g, [{ value: levels, gradient: incoming }], [x], constants);
			if (back !== undefined) g.output("back", back);
		},
		{ numbers: values, gradient },
	);
}

test("numbers are rounded to the nearest level, those outside to the last", async (t) => {
	const two = await quantised(2);
	t.is(two.indices?.dtype, "uint8");
	t.deepEqual(numbers(two.indices), [0, 1, 2, 2, 3, 3]);
	const third = Math.fround(1 / 3);
	const levels = numbers(two.levels);
	[-1, -third, third, third, 1, 1].forEach((level, i) => {
		t.true(Math.abs((levels[i] as number) - level) < 1e-6);
	});
	const one = await quantised(1);
	t.deepEqual(numbers(one.levels), [-1, -1, 1, 1, 1, 1]);
});

for (const bits of [1, 2, 4, 8]) {
	test(`${bits} bits: indices stand for exactly the levels, and the gradient passes straight through`, async (t) => {
		const { indices, levels, decoded, back } = await quantised(bits);
		t.deepEqual(levels?.data, decoded?.data);
		t.true(numbers(indices).every((index) => index < 2 ** bits));
		t.deepEqual(numbers(back), [1, -2, 3, 0.5, 0.25, 7]);
	});
}
