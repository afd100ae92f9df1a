import type { Random } from "@psgl/sdk";
import type { FuzzTarget } from "./fuzz-target.js";
import { mutations, pick } from "./mutations.js";

/** The bytes of one case: a seed changed one to four times. A random generator of the same state gives the same bytes. */
export function makeCase({ seeds, mutations: own = [], reseal }: FuzzTarget, random: Random): Uint8Array {
	let bytes = pick(random, seeds);
	for (let left = 1 + random.integer(4); left > 0; left--) {
		const knowing = own.length > 0 && random.integer(2) === 0;
		bytes = pick(random, knowing ? own : mutations)(bytes, random, seeds);
	}
	return reseal !== undefined && random.integer(2) === 0 ? reseal(bytes) : bytes;
}
