import { simulateScenario } from "@psgl/cloud";
import { readScenario, type Scenario } from "@psgl/firmware-sim";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { reduced, shippedScenarios, smallScenario } from "../../helpers/fleet-scenario.js";

const shipped = await shippedScenarios();

const run = (scenario: Scenario, seed = 1) => simulateScenario(scenario, { seed, runtime: nodeRuntime, threads: 1 });

/** Everything a scenario can hold, on a dozen devices. */
const eventful = {
	fleet: [
		{
			name: "unit",
			count: 8,
			profile: "pi-4",
			link: "wifi",
			samples: { least: 20, most: 60 },
			rampHours: 0.5,
			rebootsPerWeek: 100,
			powerLossesPerWeek: 100,
			stragglers: { share: 0.25, slowdown: 6 },
			malicious: [
				{ kind: "poison", share: 0.125 },
				{ kind: "flood", share: 0.125 },
				{ kind: "replay", share: 0.125 },
				{ kind: "garbage", share: 0.125 },
			],
		},
		{ name: "post", count: 2, profile: "pi-3", link: "satellite", clockSkewSeconds: 600 },
		{
			name: "phone",
			count: 3,
			profile: "phone-browser",
			link: "4g",
			churn: { onHours: 2, offHours: 1 },
			battery: { wattHours: 2, chargeHours: 0.5 },
		},
	],
	hours: 14,
	updates: [{ atHours: 3, waves: [0.2, 1], everyHours: 2, megabytes: 5, failures: 0.3 }],
	training: { rounds: 6, everyHours: 2, minDevices: 4, batchSize: 16 },
	learning: { panel: 6, stepsPerRound: 2, evaluationSamples: 32 },
	invariants: { leftBehindShare: 1 },
};

test("the same seed gives the same record to the last byte, another one another; nothing is lost or doubled in between", async (t) => {
	const scenario = smallScenario(eventful);
	const first = await run(scenario);
	t.is(JSON.stringify(await run(scenario)), JSON.stringify(first));
	t.not(JSON.stringify((await run(scenario, 2)).samples), JSON.stringify(first.samples));
	t.deepEqual(
		first.invariants.filter(({ holds }) => !holds),
		[],
	);
	t.is(first.counts.received, first.counts.applied + first.counts.refused);
	const { unit, phone } = first.groups;
	t.true((unit?.restarts ?? 0) > 10 && (unit?.powerLosses ?? 0) > 10);
	t.true((phone?.joules ?? 0) > 0 && (phone?.onlineMs ?? 0) < 3 * 14 * 3_600_000);
	t.true((first.events.floodsEnded ?? 0) > 0 && (first.events.unreadable ?? 0) > 1000);
	t.true((first.events.updated ?? 0) > 8 && (first.events.failedUpdates ?? 0) > 0);
	t.true(first.counts.duplicates > 0, "what a link or a replaying device repeats is told apart");
	t.is(first.rounds.length, 6);
	t.true(first.rounds.every(({ accuracy }) => accuracy !== undefined && accuracy > 0 && accuracy < 1));
});

for (const path of shipped) {
	test(`the scenario ${path.replace(/.*\//, "")} runs at reduced size and keeps its invariants`, async (t) => {
		const record = await run(reduced(await readScenario(path)));
		t.deepEqual(
			record.invariants.filter(({ holds }) => !holds),
			[],
		);
		t.is(record.rounds.length, 4);
		t.true(record.counts.applied > 20);
		t.is(record.samples.length, 337);
		const last = record.samples.at(-1);
		t.true((last?.bytesUp ?? 0) > 0 && (last?.joules ?? 0) > 0);
	});
}

test("without learning there is no accuracy, and a scenario that demands one is broken", async (t) => {
	const record = await run(smallScenario({ invariants: { leastAccuracy: 0.5 } }));
	t.true(record.rounds.every(({ accuracy }) => accuracy === undefined));
	t.like(
		record.invariants.find(({ name }) => name === "leastAccuracy"),
		{ value: 0, limit: 0.5, holds: false },
	);
});

test("training makes decisions better: an accuracy that was learned, on pictures no device has", async (t) => {
	const scenario = smallScenario({
		hours: 2,
		training: { rounds: 10, batchSize: 8, learningRate: 0.01 },
		model: { privacy: "none" },
		learning: { panel: 6, stepsPerRound: 8, evaluationSamples: 128 },
	});
	const { rounds } = await run(scenario);
	const [first, last] = [rounds[0]?.accuracy ?? 1, rounds.at(-1)?.accuracy ?? 0];
	t.true(first < 0.7 && last > 0.8, `${first} ${last}`);
});

test("a clock that is weeks off after a start makes messages look too old: outboxes that give up break an invariant", async (t) => {
	const late = {
		name: "late",
		count: 12,
		profile: "pi-zero-2w",
		link: "ble-gateway",
		clockSkewSeconds: 30_000_000,
		powerLossesPerWeek: 200,
	};
	const record = await run(smallScenario({ fleet: [late], hours: 48, training: { rounds: 200 } }));
	const found = record.invariants.find(({ name }) => name === "outboxOverflows");
	t.true((found?.value ?? 0) > 0);
	t.false(found?.holds);
});

test("devices behind one address come on line no faster than the broker lets one address connect", async (t) => {
	const crowd = { name: "crowd", count: 1500, profile: "pi-4", link: "wifi", addresses: 1, rampHours: 0 };
	const record = await run(smallScenario({ fleet: [crowd], hours: 1, training: { rounds: 0 } }));
	t.true((record.events.refusedByRate ?? 0) > 100);
	t.is(record.samples.at(-1)?.online, 1500, "they all come in, with the transport's back-off");
});
