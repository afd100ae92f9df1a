import { existsSync, readdirSync, readFileSync } from "node:fs";
import { PsglError } from "@psgl/sdk";
import test from "ava";
import { runFuzz } from "./run-fuzz.js";
import { targets } from "./targets.js";

const fixtures = new URL("../../../test/fixtures/fuzz/", import.meta.url);

/** Cases of targets that take a third of a millisecond and more for each; 50,000 of the others. */
const cases: Readonly<Record<string, number>> = {
	onnx: 10_000,
	npz: 15_000,
	idx: 15_000,
	image: 2000,
	dicom: 1500,
	wfdb: 15_000,
	edf: 15_000,
	csv: 15_000,
	config: 15_000,
	store: 3000,
	journal: 15_000,
	trail: 5000,
};

for (const name of Object.keys(targets)) {
	test.serial(
		`${name}: changed inputs are read or refused with a typed error, in bounded time and memory`,
		async (t) => {
			// No case may take a minute; all of them together may.
			t.timeout(15 * 60_000);
			const count = cases[name] ?? 50_000;
			const { findings, accepted, refused } = await runFuzz({ name, cases: count, seed: 1 });
			t.deepEqual(findings, []);
			t.is(accepted + refused, count);
			t.true(refused > 0 || name === "mqtt");
		},
	);

	const folder = new URL(`${name}/`, fixtures);
	if (!existsSync(folder)) continue;
	test.serial(`${name}: what was found once is refused with a typed error`, async (t) => {
		const target = await (targets[name] as NonNullable<(typeof targets)[string]>)();
		t.teardown(() => target.close?.());
		for (const file of readdirSync(folder)) {
			const read = async () => target.read(readFileSync(new URL(file, folder)));
			const error = await read().then(
				() => undefined,
				(thrown: unknown) => thrown,
			);
			t.true(error === undefined || error instanceof PsglError, `${file}: ${error}`);
		}
	});
}
