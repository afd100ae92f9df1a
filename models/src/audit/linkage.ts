import type { Runtime, Tensor } from "@psgl/sdk";
import { squaredDistances } from "./squared-distances.js";

type Real = Tensor<"float32">;

/** How often an attacker finds out which of N candidates was sent. */
export interface LinkageResult {
	readonly candidates: number;
	/** Share of releases whose nearest candidate is the right one; ties count as a draw among them. */
	readonly top1: number;
	/** 1 / candidates. */
	readonly chance: number;
}

/**
 * White-box linkage: the attacker has N candidate samples, runs each through the client segment it knows, and takes the
 * nearest release.
 *
 * @param seen [N,Cs,...] releases of the victims
 * @param own [N,Cs,...] releases the attacker computed of the candidates, in the same order
 */
export async function linkage(runtime: Runtime, seen: Real, own: Real, threads = 1): Promise<LinkageResult> {
	const candidates = own.dims[0] as number;
	const distances = await squaredDistances(runtime, seen, own, threads);
	let right = 0;
	for (let n = 0; n < candidates; n++) {
		const row = distances.subarray(n * candidates, (n + 1) * candidates);
		const least = Math.min(...row);
		if ((row[n] as number) > least) continue;
		right += 1 / row.reduce((ties, d) => ties + (d === least ? 1 : 0), 0);
	}
	return { candidates, top1: right / candidates, chance: 1 / candidates };
}
