import { batchesPerPass } from "@psgl/sdk";
import type { RosterDevice } from "./roster.js";

/** Which of its batches a device makes in a leg. */
export interface Share {
	readonly device: RosterDevice;
	/** Batches of this pass that came before. */
	readonly first: number;
	/** Batches to make; 0 means all from there on. */
	readonly steps: number;
}

/**
 * Cuts a round, one pass of every device over its data, into legs of at most `averageEvery` batches a device. After each leg
 * client segments are combined. A device with fewer batches than others has them spread over the legs, so that a sample
 * counts the same wherever it lies; in a leg without a batch it takes no part. With `averageEvery` 0 the round is one leg.
 * @returns for each leg the devices that take part
 */
export function legsOf(
	devices: readonly RosterDevice[],
	{ batchSize, averageEvery }: { readonly batchSize: number; readonly averageEvery: number },
): readonly (readonly Share[])[] {
	if (averageEvery === 0) return [devices.map((device) => ({ device, first: 0, steps: 0 }))];
	const batches = devices.map((device) => batchesPerPass(device.hello.samples.train, batchSize));
	const legs = Math.max(1, Math.ceil(Math.max(...batches) / averageEvery));
	return Array.from({ length: legs }, (_, leg) =>
		devices.flatMap((device, i) => {
			const end = (part: number) => Math.floor((part * (batches[i] as number)) / legs);
			const first = end(leg);
			const steps = end(leg + 1) - first;
			return steps > 0 ? [{ device, first, steps }] : [];
		}),
	);
}

/** Samples a device trains on in its share, by what it said it has. */
export function samplesOf({ device, first, steps }: Share, batchSize: number): number {
	const all = device.hello.samples.train;
	return steps === 0 ? all : Math.max(0, Math.min(steps * batchSize, all - first * batchSize));
}
