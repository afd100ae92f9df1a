import type { Tensor } from "@psgl/sdk";
import type { ExecutionContext } from "ava";
import { goldenVectors, relativeError } from "./golden.js";
import { type BuildOperator, compileWithGradients } from "./operator-gradients.js";
import { recoverWeights } from "./recover-weights.js";

/** Checks output and all gradients of a convolution against PyTorch's, to 1e-5 relative. */
export async function checkGoldenConvolution(
	t: ExecutionContext,
	name: string,
	build: BuildOperator,
	filterAxis: 0 | 1,
): Promise<void> {
	const vector = await goldenVectors(name);
	const [input, gout, out] = [vector("in_input"), vector("in_gout"), vector("out")];
	const gradients = { input: vector("g_input"), weight: vector("g_weight"), bias: vector("g_bias") };
	await using session = await compileWithGradients(gradients, build, { batched: ["input"] });
	const forward = async (weight: Tensor, bias: Tensor) =>
		(await session.run({ input, weight, bias, gout }, ["out"])).out as Tensor;
	const { weight, bias } = await recoverWeights(forward, out, gradients.weight.dims, filterAxis);
	const results = await session.run({ input, weight, bias, gout });
	t.true(relativeError(results.out as Tensor, out) < 1e-5);
	for (const [key, expected] of Object.entries(gradients)) {
		const error = relativeError(results[`g.${key}`] as Tensor, expected);
		t.true(error < 1e-5, `gradient of ${key}: ${error}`);
	}
}
