import { signPolynomials } from "@psgl/models";
import { seededRandom } from "@psgl/sdk";
import test from "ava";

for (const lower of [1e-6, 2e-4, 0.05, 0.2]) {
	test(`steps for [${lower}, 1] end at one and forgive rounding`, (t) => {
		const random = seededRandom(3);
		const steps = signPolynomials(lower, 1e-6);
		const run = (x: number, noise: number) =>
			steps.reduce((v, { a, b, c }) => v * (a + v * v * (b + v * v * c)) * (1 + noise * (2 * random.uniform() - 1)), x);
		for (let i = 0; i <= 500; i++) {
			const x = lower ** (i / 500);
			t.true(Math.abs(run(x, 0) - 1) < 2e-6, `${x} exactly`);
			// A matrix product in float32 moves an eigenvalue by more than one rounding; 0.2 % is generous.
			t.true(Math.abs(run(x, 2e-3) - 1) < 0.02, `${x} with rounding`);
		}
	});
}
