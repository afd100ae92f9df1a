import { differentiate, type GraphBuilder, withinClassShare } from "@psgl/models";
import { labelTensor, seededRandom, type Tensor, tensor } from "@psgl/sdk";
import test from "ava";
import { numbers } from "../../helpers/numbers.js";
import { normalTensor } from "../../helpers/operator-gradients.js";
import { runGraph } from "../../helpers/run-graph.js";

function build(g: GraphBuilder, width: number, classes: number): void {
	const x = g.input("numbers", "float32", ["B", width]);
	const share = withinClassShare(g, x, g.input("y", "int64", ["B"]), classes);
	g.output("share", share);
	const [gradient] = differentiate(g, [{ value: share }], [x]);
	if (gradient !== undefined) g.output("gradient", gradient);
}

const shareOf = (code: Tensor<"float32">, labels: readonly number[], classes: number) =>
	runGraph((g) => build(g, code.dims[1] as number, classes), {
		numbers: code,
		y: labelTensor(Int32Array.from(labels)),
	});

test("the share by hand: classes at -1 and 1, each spread by a half", async (t) => {
	const code = tensor("float32", [4, 1], Float32Array.of(-1.5, -0.5, 0.5, 1.5));
	const { share } = await shareOf(code, [0, 0, 1, 1], 3);
	// Within: 4 * 0.25. Total: 2 * (1.5^2 + 0.5^2).
	t.true(Math.abs((numbers(share)[0] as number) - 1 / 5) < 1e-6);
});

test("it is 0 where the code is the class, 1 where it does not depend on it, finite where it is constant", async (t) => {
	const value = async (code: readonly number[], labels: readonly number[]) => {
		const { share, gradient } = await shareOf(tensor("float32", [4, 1], Float32Array.from(code)), labels, 2);
		t.true(numbers(gradient).every(Number.isFinite));
		return numbers(share)[0] as number;
	};
	t.is(await value([-1, -1, 1, 1], [0, 0, 1, 1]), 0);
	t.true(Math.abs((await value([-1, 1, -1, 1], [0, 0, 1, 1])) - 1) < 1e-6);
	t.is(await value([0.5, 0.5, 0.5, 0.5], [0, 0, 1, 1]), 0);
});

test("its gradient agrees with finite differences", async (t) => {
	const random = seededRandom(3);
	const labels = [0, 2, 1, 1, 0, 2, 2];
	const code = normalTensor(random, [7, 3]);
	const { gradient } = await shareOf(code, labels, 3);
	const step = 1e-2;
	for (let i = 0; i < code.data.length; i++) {
		const moved = async (by: number) => {
			const data = code.data.slice();
			data[i] = (data[i] as number) + by;
			return numbers((await shareOf({ ...code, data }, labels, 3)).share)[0] as number;
		};
		const difference = ((await moved(step)) - (await moved(-step))) / (2 * step);
		t.true(Math.abs(difference - (numbers(gradient)[i] as number)) < 1e-3, `number ${i}`);
	}
});
