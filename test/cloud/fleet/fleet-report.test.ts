import { fleetReport, simulateScenario } from "@psgl/cloud";
import type { FleetRecord } from "@psgl/firmware-sim";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { smallScenario } from "../../helpers/fleet-scenario.js";

let record: FleetRecord;

test.before(async () => {
	record = await simulateScenario(smallScenario(), { seed: 1, runtime: nodeRuntime, threads: 1 });
});

test("the report shows what it is about and loads nothing", (t) => {
	const page = fleetReport(record, "psgl fleet --scenario small.json --virtual --seed 1");
	t.is(page.match(/<svg/g)?.length, 5, "all charts but that of accuracy");
	t.true(page.includes("Nothing was learned in this run."));
	t.true(page.includes("All invariants hold."));
	t.is(page.match(/✓ holds/g)?.length, record.invariants.length);
	t.true(page.includes("psgl fleet --scenario small.json --virtual --seed 1"));
	t.notRegex(page, /https?:|<script|<link|@import|url\(/);
	t.notRegex(page, /NaN|Infinity|undefined/);
});

test("the report names what is broken, draws what was learned, and shows texts as texts", (t) => {
	const [first, ...others] = record.invariants;
	const broken: FleetRecord = {
		...record,
		description: "<b>bold</b>",
		rounds: record.rounds.map((round, i) => ({ ...round, accuracy: 0.5 + i / 10 })),
		invariants: [{ ...(first as (typeof others)[0]), value: 3, holds: false }, ...others],
	};
	const page = fleetReport(broken, "psgl fleet");
	t.is(page.match(/<svg/g)?.length, 6);
	t.true(page.includes("An invariant is broken:") && page.includes("✗ broken"));
	t.true(page.includes("70.0 %"));
	t.true(page.includes("&lt;b&gt;bold"));
});
