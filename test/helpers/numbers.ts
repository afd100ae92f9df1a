import type { Tensor } from "@psgl/sdk";

/** The values of an output as plain numbers; empty when the graph did not have it. Zero has no sign here. */
export function numbers(output: Tensor | undefined): readonly number[] {
	return output === undefined ? [] : Array.from(output.data as ArrayLike<number | bigint>, (v) => Number(v) + 0);
}
