import { GraphBuilder } from "@psgl/models";
import { ShapeError, seededRandom, type Tensor } from "@psgl/sdk";
import test from "ava";
import { goldenVectors, relativeError } from "../../helpers/golden.js";
import {
	type BuildOperator,
	compileWithGradients,
	gradientErrors,
	normalTensor,
} from "../../helpers/operator-gradients.js";
import { withShared } from "../../helpers/shared.js";

const pool: BuildOperator = (g, { input }) => g.add("GlobalAveragePool", [input]);

withShared("GlobalAveragePool gives PyTorch's output and gradient", async (t) => {
	const vector = await goldenVectors("op_globalavgpool");
	const [input, gout, out] = [vector("in_input"), vector("in_gout"), vector("out")];
	await using session = await compileWithGradients({ input }, pool, { batched: ["input"] });
	const results = await session.run({ input, gout });
	t.true(relativeError(results.out as Tensor, out) < 1e-5);
	t.true(relativeError(results["g.input"] as Tensor, vector("g_input")) < 1e-5);
});

for (const dims of [
	[3, 4, 7],
	[2, 3, 5, 6],
]) {
	test(`GlobalAveragePool's derivatives agree with finite differences on [${dims.join()}]`, async (t) => {
		const random = seededRandom(1);
		const input = normalTensor(random, dims);
		const errors = await gradientErrors({ input }, pool, { random, step: 0.5, batched: ["input"] });
		t.true(errors.first < 1e-4);
		t.true(errors.second < 1e-4);
	});
}

test("GlobalAveragePool needs known spatial extents", (t) => {
	const g = new GraphBuilder("test");
	const x = g.input("x", "float32", ["B", 3, "H", 8]);
	t.throws(() => g.add("GlobalAveragePool", [x]), { instanceOf: ShapeError, code: "PSGL_SHAPE_MISMATCH" });
});
