import type { Random } from "../ports/random.js";
import { type Tensor, tensor } from "../tensor.js";

/**
 * The number a training step's dropout masks are drawn from, int64 []: a function of the device's generator and the
 * step, so that `client/forward` and `client/train` drop the same elements, after a restart too.
 */
export function dropoutSeed(random: Random, step: number): Tensor<"int64"> {
	const drawn = random
		.fork("dropout")
		.fork(`step ${step}`)
		.integer(2 ** 31);
	return tensor("int64", [], BigInt64Array.of(BigInt(drawn)));
}
