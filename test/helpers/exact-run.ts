import { seededRandom, type Tensor } from "@psgl/sdk";
import { type Artifact, artifactTensor } from "@psgl/sdk/artifact";
import type { ExecutionContext } from "ava";
import { largestDifference } from "./largest-difference.js";

/** Settings of a run that is compared with training in one process: nothing is rounded on its way, nothing averaged. */
export const exactSettings = {
	schedule: { kind: "constant", warmUpRounds: 0 },
	weightAveraging: false,
	smashedDtype: "float32",
	gradientDtype: "float32",
} as const;

export interface LonelyDevice {
	readonly id: string;
	/** Of the run. */
	readonly seed: number;
	readonly samples: number;
	readonly rounds: number;
	readonly batchSize: number;
}

/** The samples of each step of the only device of a run, and the round. */
export function* stepsOf({ id, seed, samples, rounds, batchSize }: LonelyDevice) {
	for (let round = 1; round <= rounds; round++) {
		const order = seededRandom(seed).fork(id).fork(`epoch ${round}`).permutation(samples);
		for (let from = 0; from < samples; from += batchSize) {
			yield { round, indices: order.subarray(from, from + batchSize) };
		}
	}
}

/**
 * Whether trained vectors of an artifact are those of another training.
 * @param within largest difference
 * @param moved least that each vector has moved since `before`
 */
export function sameVectors(
	t: ExecutionContext,
	{ before, trained }: { readonly before: Artifact; readonly trained: Artifact },
	vectors: Iterable<readonly [string, Tensor]>,
	{ within, moved }: { readonly within: number; readonly moved: number },
): void {
	for (const [name, vector] of vectors) {
		const difference = largestDifference(artifactTensor(trained, name), vector);
		t.log(`${name}: largest difference ${difference}`);
		t.true(difference <= within, `${name} differs by ${difference}`);
		t.true(largestDifference(artifactTensor(before, name), vector) > moved, `${name} has moved`);
	}
}
