import { type NumericError, seededRandom, type Tensor } from "@psgl/sdk";
import { requireFinite } from "@psgl/sdk/protocol";
import test from "ava";

/** The place `requireFinite` names; -1 where it takes the tensor. */
function firstRefused(tensor: Tensor): number {
	try {
		requireFinite(tensor, "values");
		return -1;
	} catch (error) {
		return Number(/at index (\d+) /.exec(String((error as NumericError).got))?.[1]);
	}
}

test("the first number that is not finite is found at any place, in memory that begins anywhere", (t) => {
	const random = seededRandom(1);
	let found = 0;
	for (let run = 0; run < 2000; run++) {
		const [length, offset] = [random.integer(40), random.integer(4)];
		const single = new Float32Array(new ArrayBuffer(4 * (length + offset)), 4 * offset, length);
		const half = new Uint16Array(new ArrayBuffer(2 * (length + offset)), 2 * offset, length);
		// Every exponent but that of infinity and NaN.
		for (let i = 0; i < length; i++) {
			single[i] = (random.uniform() - 0.5) * 10 ** (random.integer(76) - 38);
			half[i] = random.integer(2 ** 16) & ~(1 << (10 + random.integer(5)));
		}
		for (let i = random.integer(80); i < length; i += 7) {
			single[i] = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY][random.integer(3)] as number;
			half[i] = (half[i] as number) | 0x7c00;
			found++;
		}
		t.is(
			firstRefused({ dtype: "float32", dims: [length], data: single }),
			single.findIndex((value) => !Number.isFinite(value)),
		);
		t.is(
			firstRefused({ dtype: "float16", dims: [length], data: half }),
			half.findIndex((bits) => (bits & 0x7c00) === 0x7c00),
		);
	}
	t.true(found > 100);
});
