/** Folds of what training may look at, to choose settings by. */
import { seededRandom } from "@psgl/sdk";
import { type DataSplits, Dataset } from "@psgl/sdk/sources";

const parts = 5;

/** A set of which one of five parts of train and validation together, drawn at random, is held out as its test part; its own test part is not looked at. @param number 1 to 5 */
export function fold({ train, validation, ...rest }: DataSplits, number: number): DataSplits {
	const [a, b] = [train.samples, validation.samples];
	const samples = a instanceof Uint8Array ? new Uint8Array(a.length + b.length) : new Float32Array(a.length + b.length);
	samples.set(a);
	samples.set(b, a.length);
	const { shape, classes } = train;
	const all = new Dataset({ shape, classes, labels: Int32Array.of(...train.labels, ...validation.labels), samples });
	const order = seededRandom(7).fork("fold").permutation(all.length);
	const held = (n: number) => Math.floor((n * parts) / all.length) === number - 1;
	const [own, others] = [order.filter((_, n) => held(n)), order.filter((_, n) => !held(n))];
	const test = all.subset(own);
	return { ...rest, train: all.subset(others), validation: test, test };
}
