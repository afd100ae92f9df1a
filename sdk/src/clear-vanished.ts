/** Optimiser steps between two looks. */
const stepsBetween = 128;
/** 2^-100. What decays by 0.9 a step takes 180 steps from here to the smallest normal number, 2^-126. */
const leastKept = 2 ** -100;

/**
 * Sets what has all but vanished from an optimiser's state to zero, in place, at every 128th step: the sums of weights that get no gradient any
 * more decay into numbers below the normal ones, with which a processor takes a hundred times as long. Of no effect on a weight,
 * and a function of the steps alone, so that a replay does the same.
 * @param step of the optimiser, counted from 1
 */
export function clearVanished(slots: Float32Array, step: number): void {
	if (step % stepsBetween !== 0) return;
	for (let i = 0; i < slots.length; i++) if (Math.abs(slots[i] as number) < leastKept) slots[i] = 0;
}
