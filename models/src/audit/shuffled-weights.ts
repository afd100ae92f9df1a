import { elementCount, type Random, type Tensor } from "@psgl/sdk";
import type { Manifest } from "@psgl/sdk/artifact";

/**
 * A segment's weights with the values of each tensor in random order: an attacker that knows the architecture and not the
 * weights starts from these. They have the right size in every layer, whatever it is, and nothing of what was learnt.
 */
export function shuffledWeights(
	entries: Manifest["client"]["params"],
	{ data, ...rest }: Tensor<"float32">,
	random: Random,
): Tensor<"float32"> {
	const shuffled = data.slice();
	for (const { name, shape, offset } of entries) {
		const order = random.fork(name).permutation(elementCount(shape));
		order.forEach((from, to) => {
			shuffled[offset + to] = data[offset + from] as number;
		});
	}
	return { ...rest, data: shuffled };
}
