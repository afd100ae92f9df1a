import { existsSync, readdirSync, readFileSync } from "node:fs";
import { PsglError } from "@psgl/sdk";
import test from "ava";
import { runFuzz } from "./run-fuzz.js";
import { targets } from "./targets.js";

const fixtures = new URL("../../../test/fixtures/fuzz/", import.meta.url);

/** Cases of each target. */
const cases = 50_000;

for (const name of Object.keys(targets)) {
	test.serial(
		`${name}: changed inputs are read or refused with a typed error, in bounded time and memory`,
		async (t) => {
			// No case may take a minute; all of them together may.
			t.timeout(15 * 60_000);
			const { findings, accepted, refused } = await runFuzz({ name, cases, seed: 1 });
			t.deepEqual(findings, []);
			t.is(accepted + refused, cases);
			t.true(refused > 0 || name === "mqtt");
		},
	);

	test.serial(`${name}: what changes start from is read`, async (t) => {
		const target = await (targets[name] as NonNullable<(typeof targets)[string]>)();
		t.teardown(() => target.close?.());
		for (const seed of target.seeds) await t.notThrowsAsync(async () => target.read(seed));
	});

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
