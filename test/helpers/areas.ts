import { type PrivacyMode, presetDefinition, zooNetwork } from "@psgl/models";
import { seededRandom } from "@psgl/sdk";
import { Dataset } from "@psgl/sdk/sources";
import { npyBytes, npzBytes } from "./write-npz.js";

/** Labels of `areas`. */
export const areaNames = ["top", "bottom", "left"];
export const areaShape = [1, 8, 8] as const;

const [, height, width] = areaShape;

/** Pictures with up to three bright areas, drawn independently of each other, any number of them in a picture; the third is rare. */
export function areas(count: number, seed: number): Dataset {
	const random = seededRandom(seed);
	const targets = Uint8Array.from({ length: count * 3 }, (_, i) =>
		random.uniform() < (i % 3 === 2 ? 0.25 : 0.5) ? 1 : 0,
	);
	const samples = Float32Array.from({ length: count * height * width }, (_, i) => {
		const n = Math.floor(i / (height * width));
		const [row, column] = [Math.floor(i / width) % height, i % width];
		const inside = [row < 3, row >= 5, column < 2];
		const bright = inside.filter((is, k) => is && targets[3 * n + k] === 1).length;
		return 0.25 * random.uniform() + 0.25 * bright;
	});
	const labels = Int32Array.from({ length: count }, (_, n) => {
		const first = targets.subarray(3 * n, 3 * n + 3).indexOf(1);
		return first < 0 ? 3 : first;
	});
	return new Dataset({ shape: areaShape, classes: areaNames, labels, samples, targets });
}

/** LeNet for `areas`, each of which applies or does not. */
export const areasDefinition = (mode: PrivacyMode) => ({
	...presetDefinition(mode, zooNetwork("lenet"), areaShape, areaNames),
	loss: { kind: "binary-cross-entropy" } as const,
});

/** `areas` as an npz file, as MedMNIST writes pictures with several labels each: labels [N,K]. */
export function areasNpz(counts: { readonly train: number; readonly val: number; readonly test: number }): Uint8Array {
	const arrays = Object.entries(counts).flatMap(([part, count], seed) => {
		const { samples, targets } = areas(count, seed + 1);
		const pixels = Uint8Array.from(samples as Float32Array, (value) => Math.round(255 * value));
		return [
			[`${part}_images`, npyBytes("|u1", [count, height, width], pixels)],
			[`${part}_labels`, npyBytes("|u1", [count, areaNames.length], targets as Uint8Array)],
		] as const;
	});
	return npzBytes(Object.fromEntries(arrays));
}
