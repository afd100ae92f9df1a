import { dealByPatient, dealDirichlet, dealIid, minimumSamplesPerDevice } from "@psgl/firmware-sim";
import { ConfigError, DataError, seededRandom } from "@psgl/sdk";
import { Dataset, loadData } from "@psgl/sdk/sources";
import test, { type ExecutionContext } from "ava";
import fc from "fast-check";
import { sharedPath, withShared } from "../helpers/shared.js";

/** `count` samples of one value each: 60 % class 0, 40 % class 1. */
function dataset(count: number, records?: Int32Array): Dataset {
	const labels = Int32Array.from({ length: count }, (_, i) => (i % 5 < 3 ? 0 : 1));
	return new Dataset({ shape: [1, 1], classes: ["a", "b"], labels, samples: new Uint8Array(count), records });
}

const everyoneOnce = (t: ExecutionContext, hands: readonly Uint32Array[], count: number) =>
	t.deepEqual(
		hands.flatMap((hand) => [...hand]).sort((a, b) => a - b),
		Array.from({ length: count }, (_, i) => i),
	);

const shareOfClassOne = (set: Dataset, hand: Uint32Array) =>
	hand.reduce((sum, index) => sum + (set.labels[index] as number), 0) / hand.length;

test("every deal gives every sample to one device, whatever the sizes", (t) => {
	fc.assert(
		fc.property(
			fc.integer({ min: 1, max: 300 }),
			fc.integer({ min: 1, max: 40 }),
			fc.integer(),
			(count, wanted, seed) => {
				const devices = Math.min(count, wanted);
				const set = dataset(
					count,
					Int32Array.from({ length: count }, (_, i) => i),
				);
				for (const hands of [
					dealIid(set, devices, seededRandom(seed)),
					dealDirichlet(set, devices, 0.1, seededRandom(seed)),
					dealByPatient(set, devices, seededRandom(seed)),
				]) {
					everyoneOnce(t, hands, count);
					if (hands.length !== devices || hands.some((hand) => hand.length === 0)) return false;
				}
				return true;
			},
		),
		{ seed: 1, numRuns: 60 },
	);
});

test("IID shares are even and have the mix of the whole", (t) => {
	const set = dataset(2003);
	const hands = dealIid(set, 4, seededRandom(1));
	t.deepEqual(
		hands.map((hand) => hand.length),
		[501, 501, 501, 500],
	);
	for (const hand of hands) t.true(Math.abs(shareOfClassOne(set, hand) - 0.4) < 0.08);
});

test("Dirichlet makes devices unlike for small alpha, alike for large", (t) => {
	const set = dataset(4000);
	const spread = (alpha: number) => {
		const shares = dealDirichlet(set, 8, alpha, seededRandom(3)).map((hand) => shareOfClassOne(set, hand));
		return Math.max(...shares) - Math.min(...shares);
	};
	t.true(spread(0.1) > 0.7);
	t.true(spread(1000) < 0.1);
});

test("Dirichlet leaves every device its minimum, or an even share of too few samples", (t) => {
	for (const alpha of [1e-3, 0.05]) {
		const hands = dealDirichlet(dataset(1000), 20, alpha, seededRandom(5));
		t.true(hands.every((hand) => hand.length >= minimumSamplesPerDevice));
		const few = dealDirichlet(dataset(30), 10, alpha, seededRandom(5));
		t.deepEqual(
			few.map((hand) => hand.length),
			new Array(10).fill(3),
		);
	}
});

test("Dirichlet bears an alpha so small that every draw is zero", (t) => {
	const hands = dealDirichlet(dataset(100), 3, 1e-300, seededRandom(1));
	everyoneOnce(t, hands, 100);
});

test("no patient is on two devices and devices are balanced", (t) => {
	const records = Int32Array.from({ length: 1200 }, (_, i) => 100 + Math.floor(Math.sqrt(i)));
	const set = dataset(1200, records);
	const hands = dealByPatient(set, 5, seededRandom(1));
	everyoneOnce(t, hands, 1200);
	const owners = new Map<number, Set<number>>();
	for (const [device, hand] of hands.entries()) {
		for (const index of hand) {
			const record = records[index] as number;
			owners.set(record, (owners.get(record) ?? new Set()).add(device));
		}
	}
	t.true([...owners.values()].every((devices) => devices.size === 1));
	const sizes = hands.map((hand) => hand.length);
	t.true(Math.max(...sizes) - Math.min(...sizes) <= 10);
});

withShared("the ECG set is dealt by its records", async (t) => {
	const { train } = await loadData(sharedPath("data", "ecg", "mitbih128_disjoint.npz"), { seed: 1 });
	const hands = dealByPatient(train, 20, seededRandom(1));
	everyoneOnce(t, hands, train.length);
	const patients = hands.map((hand) => new Set(hand.map((index) => train.records?.[index] as number)).size);
	t.is(
		patients.reduce((sum, count) => sum + count, 0),
		43,
	);
});

test("the seed decides every deal", (t) => {
	const set = dataset(
		500,
		Int32Array.from({ length: 500 }, (_, i) => i % 50),
	);
	for (const deal of [
		(seed: number) => dealIid(set, 7, seededRandom(seed)),
		(seed: number) => dealDirichlet(set, 7, 0.5, seededRandom(seed)),
		(seed: number) => dealByPatient(set, 7, seededRandom(seed)),
	]) {
		t.deepEqual(deal(1), deal(1));
		t.notDeepEqual(deal(1), deal(2));
	}
});

test("a number of devices that cannot be dealt to is refused", (t) => {
	const set = dataset(
		10,
		Int32Array.from({ length: 10 }, (_, i) => i % 3),
	);
	for (const devices of [0, -1, 1.5, 11]) {
		const expectation = { instanceOf: ConfigError, code: "PSGL_DEAL_DEVICES" };
		t.throws(() => dealIid(set, devices, seededRandom(1)), expectation);
		t.throws(() => dealDirichlet(set, devices, 1, seededRandom(1)), expectation);
		t.throws(() => dealByPatient(set, devices, seededRandom(1)), expectation);
	}
	t.throws(() => dealByPatient(set, 4, seededRandom(1)), {
		code: "PSGL_DEAL_DEVICES",
		message: /from 1 to 3.*patients/,
	});
});

test("an alpha that is not above zero is refused", (t) => {
	for (const alpha of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
		t.throws(() => dealDirichlet(dataset(10), 2, alpha, seededRandom(1)), {
			instanceOf: ConfigError,
			code: "PSGL_DEAL_ALPHA",
		});
	}
});

test("dealing by patient needs records", (t) => {
	t.throws(() => dealByPatient(dataset(10), 2, seededRandom(1)), {
		instanceOf: DataError,
		code: "PSGL_DEAL_NO_RECORDS",
	});
});
