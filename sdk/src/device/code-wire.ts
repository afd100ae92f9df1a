import type { CodeSettings } from "../artifact/index.js";
import type { Random } from "../ports/random.js";
import type { CodeTensor } from "../protocol/index.js";
import type { Tensor } from "../tensor.js";

/** Level indices of levels [B,k], which are evenly spaced over [-1,1]. */
export function levelIndices({ dims, data }: Tensor<"float32">, { bits }: CodeSettings): CodeTensor {
	const steps = 2 ** bits - 1;
	const indices = Uint8Array.from(data, (level) => Math.round(((level + 1) / 2) * steps));
	return { dtype: "uint8", dims, data: indices, bits };
}

/** The code with each bit turned over by chance; `flip` 0 leaves it as it is. */
export function randomised(code: CodeTensor, flip: number, noise: Pick<Random, "uniform">): CodeTensor {
	if (flip === 0) return code;
	const data = code.data.map((index) => {
		let turned = index;
		for (let bit = 0; bit < code.bits; bit++) if (noise.uniform() < flip) turned ^= 1 << bit;
		return turned;
	});
	return { ...code, data };
}
