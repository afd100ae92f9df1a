import { classificationMetrics } from "@psgl/models";
import { ShapeError } from "@psgl/sdk";
import test from "ava";
import fc from "fast-check";

const binary = (positives: readonly number[]) => Float32Array.from(positives.flatMap((p) => [1 - p, p]));
const close = (a: number, b: number) => Math.abs(a - b) < 1e-6;

test("accuracy, balanced accuracy, loss and confusion of a small set", (t) => {
	const metrics = classificationMetrics(binary([0.75, 0.25, 0.25, 0.125]), [1, 1, 0, 0], 2);
	t.is(metrics.samples, 4);
	t.is(metrics.accuracy, 0.75);
	t.is(metrics.balancedAccuracy, 0.75);
	t.deepEqual(metrics.confusion, [2, 0, 1, 1]);
	t.true(close(metrics.loss, -(Math.log(0.75) * 2 + Math.log(0.25) + Math.log(0.875)) / 4));
});

test("balanced accuracy counts every class that occurs once, however many samples it has", (t) => {
	const scores = Float32Array.from([1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0]);
	const metrics = classificationMetrics(scores, [0, 0, 0, 1], 3);
	t.is(metrics.accuracy, 0.75);
	t.is(metrics.balancedAccuracy, 0.5);
	t.is(metrics.auc, 0.5);
});

test("AUC counts ties half", (t) => {
	t.is(classificationMetrics(binary([0.5, 0.5]), [0, 1], 2).auc, 0.5);
	// Pairs: (0.5,0.25) won, (0.5,0.5) half, (0.75,0.25) and (0.75,0.5) won.
	t.is(classificationMetrics(binary([0.5, 0.25, 0.5, 0.75]), [1, 0, 0, 1], 2).auc, 3.5 / 4);
});

test("AUC without both kinds of samples is not a number", (t) => {
	t.is(classificationMetrics(binary([0.5, 0.75]), [1, 1], 2).auc, Number.NaN);
});

test("AUC of several classes is the mean over the classes that can have one", (t) => {
	const scores = Float32Array.from([0.5, 0.25, 0.25, 0.25, 0.5, 0.25, 0.75, 0.125, 0.125]);
	// Class 0 against the rest: sample 0 beats 1, loses to 2. Class 1: sample 1 and 2 against 0.
	const auc0 = 1 / 2;
	const auc1 = 1 / 2;
	t.true(close(classificationMetrics(scores, [0, 1, 1], 3).auc, (auc0 + auc1) / 2));
});

test("AUC equals the share of ordered pairs that are ordered right", (t) => {
	const samples = fc.array(fc.tuple(fc.integer({ min: 0, max: 8 }), fc.boolean()), { minLength: 2, maxLength: 40 });
	fc.assert(
		fc.property(samples, (drawn) => {
			const labels = drawn.map(([, positive]) => (positive ? 1 : 0));
			let won = 0;
			let pairs = 0;
			for (const [a, positive] of drawn) {
				for (const [b, other] of drawn) {
					if (!positive || other) continue;
					pairs += 1;
					won += a > b ? 1 : a === b ? 0.5 : 0;
				}
			}
			const { auc } = classificationMetrics(binary(drawn.map(([s]) => s / 8)), labels, 2);
			return pairs === 0 ? Number.isNaN(auc) : close(auc, won / pairs);
		}),
	);
	t.pass();
});

test("what does not fit is refused", (t) => {
	for (const call of [
		() => classificationMetrics(binary([0.5]), [0, 1], 2),
		() => classificationMetrics(binary([0.5]), [2], 2),
		() => classificationMetrics(binary([0.5]), [-1], 2),
	]) {
		t.is(t.throws(call, { instanceOf: ShapeError })?.code, "PSGL_METRICS_SHAPE");
	}
});
