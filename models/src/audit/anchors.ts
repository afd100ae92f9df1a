import { elementCount, type Tensor } from "@psgl/sdk";
import type { Dataset } from "@psgl/sdk/sources";

type Real = Tensor<"float32">;

/** Reconstructions that use nothing of the smashed data. */
export interface Anchors {
	/** [V, ...shape]: the mean of the attacker's samples, once for each victim. */
	readonly mean: Real;
	/** [V, ...shape]: the mean of the attacker's samples of the victim's class: what the label alone tells. */
	readonly classMean: Real;
}

/** @param labels [V] class of each victim; a class the attacker has no sample of gets the mean of all */
export function anchors(attacker: Dataset, labels: ArrayLike<number>): Anchors {
	const size = elementCount(attacker.shape);
	const { data } = attacker.batch(Array.from({ length: attacker.length }, (_, i) => i)).x;
	const classes = attacker.classes.length;
	const sums = Array.from({ length: classes }, () => new Float64Array(size));
	const counts = new Array<number>(classes).fill(0);
	const total = new Float64Array(size);
	attacker.labels.forEach((label, n) => {
		counts[label] = (counts[label] as number) + 1;
		const sum = sums[label] as Float64Array;
		for (let i = 0; i < size; i++) {
			const value = data[n * size + i] as number;
			sum[i] = (sum[i] as number) + value;
			total[i] = (total[i] as number) + value;
		}
	});
	const mean = total.map((sum) => sum / attacker.length);
	const means = sums.map((sum, k) => (counts[k] === 0 ? mean : sum.map((s) => s / (counts[k] as number))));
	const rows = (pick: (victim: number) => Float64Array): Real => {
		const all = new Float32Array(labels.length * size);
		for (let v = 0; v < labels.length; v++) all.set(pick(v), v * size);
		return { dtype: "float32", dims: [labels.length, ...attacker.shape], data: all };
	};
	return { mean: rows(() => mean), classMean: rows((v) => means[labels[v] as number] as Float64Array) };
}
