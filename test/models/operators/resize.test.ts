import { attributes, GraphBuilder } from "@psgl/models";
import { ArtifactError, seededRandom, type Tensor } from "@psgl/sdk";
import test from "ava";
import { goldenVectors, relativeError } from "../../helpers/golden.js";
import {
	type BuildOperator,
	compileWithGradients,
	gradientErrors,
	normalTensor,
} from "../../helpers/operator-gradients.js";
import { withShared } from "../../helpers/shared.js";

const { string } = attributes;

const enlargeBy =
	(factors: readonly number[], settings: attributes.Attributes = {}): BuildOperator =>
	(g, { input }) =>
		g.add("Resize", [input, undefined, g.floats([1, 1, ...factors])], settings);

withShared("Resize gives PyTorch's output and gradient", async (t) => {
	const vector = await goldenVectors("op_resize_nearest2");
	const [input, gout, out] = [vector("in_input"), vector("in_gout"), vector("out")];
	await using session = await compileWithGradients({ input }, enlargeBy([2, 2]), { batched: ["input"] });
	const results = await session.run({ input, gout });
	t.is(relativeError(results.out as Tensor, out), 0);
	t.true(relativeError(results["g.input"] as Tensor, vector("g_input")) < 1e-5);
});

const asymmetric = { coordinate_transformation_mode: string("asymmetric"), nearest_mode: string("floor") };

for (const factors of [[3], [2, 3], [1, 4]]) {
	for (const settings of [{}, asymmetric]) {
		const coordinates = settings === asymmetric ? "asymmetric" : "half_pixel";
		test(`Resize's derivatives agree with finite differences: ${factors.join(" by ")}, ${coordinates}`, async (t) => {
			const random = seededRandom(2);
			const input = normalTensor(random, [2, 3, ...factors.map((_, i) => 4 + i)]);
			const build = enlargeBy(factors, settings);
			const errors = await gradientErrors({ input }, build, { random, step: 0.5, batched: ["input"] });
			t.true(errors.first < 1e-4, `first: ${errors.first}`);
			t.true(errors.second < 1e-4, `second: ${errors.second}`);
		});
	}
}

test("Resize that interpolates, shrinks or takes fractions is refused", (t) => {
	const g = new GraphBuilder("test");
	const x = g.input("x", "float32", ["B", 3, 8, 8]);
	const refused = { instanceOf: ArtifactError, code: "PSGL_RESIZE" };
	t.throws(() => enlargeBy([2, 2], { mode: string("linear") })(g, { input: x }), refused);
	t.throws(() => enlargeBy([1.5, 2])(g, { input: x }), refused);
	t.throws(() => g.add("Resize", [x, undefined, undefined, g.ints([1, 3, 4, 4])]), refused);
});
