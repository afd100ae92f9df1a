import { runRealScenario } from "@psgl/cloud";
import { scenarioLimits } from "@psgl/firmware-sim";
import { LimitError } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { smallScenario } from "../../helpers/fleet-scenario.js";

test("production devices on shaped links with faults and malice: nothing is lost or doubled, and what is hostile is refused", async (t) => {
	const scenario = smallScenario({
		hours: 24,
		fleet: [
			{
				name: "ward",
				count: 6,
				profile: "pi-4",
				link: "wifi",
				samples: { least: 24, most: 24 },
				rebootsPerWeek: 20,
				powerLossesPerWeek: 20,
				malicious: [
					{ kind: "poison", share: 0.17 },
					{ kind: "replay", share: 0.17 },
					{ kind: "garbage", share: 0.17 },
				],
			},
			{ name: "pump", count: 2, profile: "pi-zero-2w", link: "ble-gateway", clockSkewSeconds: 600 },
		],
		updates: [{ atHours: 3, waves: [1], everyHours: 1, megabytes: 1 }],
		model: { privacy: "none", imageSize: 16 },
		training: { rounds: 60, batchSize: 8, minDevices: 4, stepTimeoutSeconds: 2, roundTimeoutSeconds: 2 },
		invariants: { leftBehindShare: 1 },
	});
	const record = await runRealScenario(scenario, { seed: 1, runtime: nodeRuntime, threads: 1, minutes: 0.15 });
	t.deepEqual(
		record.invariants.filter(({ holds }) => !holds),
		[],
	);
	t.is(record.mode, "mqtt");
	t.true(record.rounds.length > 0 && record.counts.applied > 0);
	t.is(record.counts.received, record.counts.applied + record.counts.refused);
	t.true((record.events.hostileMessages ?? 0) > 0);
	t.is(record.events.updated, 8);
	const { ward, pump } = record.groups;
	t.true((ward?.restarts ?? 0) + (ward?.powerLosses ?? 0) > 0);
	t.true((ward?.bytesUp ?? 0) > 10_000 && (pump?.bytesDown ?? 0) > 10_000);
	t.true(
		Object.values(record.lags)
			.flat()
			.some((count) => count > 0),
	);
	const accuracy = record.rounds.at(-1)?.accuracy ?? -1;
	t.true(accuracy >= 0 && accuracy <= 1);
});

test("three devices that poison still take part, each step of theirs", async (t) => {
	const scenario = smallScenario({
		hours: 1,
		fleet: [
			{
				name: "bad",
				count: 3,
				profile: "phone-browser",
				link: "wifi",
				samples: { least: 16, most: 16 },
				malicious: [{ kind: "poison", share: 1 }],
			},
		],
		model: { privacy: "none", imageSize: 16 },
		training: { rounds: 2, batchSize: 8, minDevices: 3 },
	});
	const { counts, rounds } = await runRealScenario(scenario, {
		seed: 1,
		runtime: nodeRuntime,
		threads: 1,
		minutes: 0.5,
	});
	t.is(rounds.length, 2);
	t.like(counts, { received: 12, applied: 12, refused: 0, lost: 0, doubled: 0 });
});

test("more devices than one process takes are refused before anything starts", async (t) => {
	const count = scenarioLimits.maxRealDevices + 1;
	const scenario = smallScenario({ fleet: [{ name: "many", count, profile: "pi-4", link: "wifi" }] });
	const running = runRealScenario(scenario, { seed: 1, runtime: nodeRuntime, threads: 1, minutes: 1 });
	t.is((await t.throwsAsync(running, { instanceOf: LimitError }))?.code, "PSGL_SCENARIO_DEVICES");
});

test("a run that is stopped ends with the signal's reason", async (t) => {
	const stop = new AbortController();
	const running = runRealScenario(smallScenario({ training: { rounds: 1000 } }), {
		seed: 1,
		runtime: nodeRuntime,
		threads: 1,
		minutes: 10,
		onProgress: () => stop.abort(new Error("enough")),
		signal: stop.signal,
	});
	await t.throwsAsync(running, { message: "enough" });
});
