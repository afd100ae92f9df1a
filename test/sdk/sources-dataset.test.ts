import { ShapeError } from "@psgl/sdk";
import { Dataset } from "@psgl/sdk/sources";
import test from "ava";

const shape = [1, 1, 2];
const classes = ["a", "b"];
const labels = Int32Array.of(0, 1, 1);
const bytes = new Dataset({
	shape,
	classes,
	labels,
	samples: Uint8Array.of(0, 51, 102, 153, 204, 255),
	records: Int32Array.of(7, 8, 9),
});

test("a batch of bytes is scaled to 0..1, in the order asked for", (t) => {
	const { x, y } = bytes.batch([2, 0]);
	t.deepEqual(x.dims, [2, 1, 1, 2]);
	t.deepEqual(
		[...x.data].map((value) => Math.round(value * 10) / 10),
		[0.8, 1, 0, 0.2],
	);
	t.deepEqual(y, { dtype: "int64", dims: [2], data: BigInt64Array.of(1n, 0n) });
});

test("a batch of float32 samples is left as it is", (t) => {
	const signals = new Dataset({ shape: [1, 2], classes, labels, samples: Float32Array.of(-1, 2, 3, 4, 5, 6) });
	t.deepEqual(signals.batch([0]).x, { dtype: "float32", dims: [1, 1, 2], data: Float32Array.of(-1, 2) });
	t.is(signals.subset([1]).records, undefined);
});

test("a subset has the samples, labels and records asked for", (t) => {
	const subset = bytes.subset([2, 2, 1]);
	t.is(subset.length, 3);
	t.deepEqual(subset.samples, Uint8Array.of(204, 255, 204, 255, 102, 153));
	t.deepEqual(subset.labels, Int32Array.of(1, 1, 1));
	t.deepEqual(subset.records, Int32Array.of(9, 9, 8));
});

test("parts of different lengths are refused", (t) => {
	const expectation = { instanceOf: ShapeError, code: "PSGL_DATA_LENGTH" };
	t.throws(() => new Dataset({ shape, classes, labels, samples: new Uint8Array(5) }), expectation);
	const records = new Int32Array(2);
	t.throws(() => new Dataset({ shape, classes, labels, samples: new Uint8Array(6), records }), expectation);
});
