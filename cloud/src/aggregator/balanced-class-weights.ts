import { ConfigError } from "@psgl/sdk";
import type { Dataset } from "@psgl/sdk/sources";

/**
 * Weights with which every class counts alike in the loss, however rare: samples / (classes x samples of the class). Their
 * mean over the samples is 1.
 * @throws ConfigError `PSGL_CLASS_WEIGHTS` for data of several labels a sample, and where a class has no sample.
 */
export function balancedClassWeights({ labels, classes, targets }: Dataset): readonly number[] {
	if (targets !== undefined) throw unusable("several labels a sample", "one class a sample");
	const counts = classes.map(() => 0);
	for (const label of labels) counts[label] = (counts[label] as number) + 1;
	const missing = classes.filter((_, k) => counts[k] === 0);
	if (missing.length > 0) throw unusable(`no sample of ${missing.join(", ")}`, "samples of every class");
	return counts.map((count) => labels.length / (counts.length * count));
}

function unusable(got: string, expected: string): ConfigError {
	return new ConfigError("PSGL_CLASS_WEIGHTS", {
		what: "balanced class weights cannot be worked out from these data",
		got,
		expected,
		remedy: "Give the weights as numbers",
	});
}
