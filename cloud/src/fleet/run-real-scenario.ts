import {
	checkInvariants,
	type FleetRecord,
	type FleetRound,
	lagEdgesMs,
	lostAfterMs,
	phantomSplits,
	type Scenario,
	ScenarioFleet,
	scenarioLimits,
} from "@psgl/firmware-sim";
import { LimitError, seededRandom, systemClock } from "@psgl/sdk";
import { Aggregator } from "../aggregator/aggregator.js";
import type { AggregatorSettings } from "../aggregator/settings.js";
import { type Broker, startBroker } from "../broker/broker.js";
import { scenarioModel } from "./scenario-model.js";
import type { ScenarioRunOptions } from "./simulate-scenario.js";

export interface RealScenarioOptions extends ScenarioRunOptions {
	/** Minutes the whole scenario is pressed into. */
	readonly minutes: number;
}

const hourMs = 3_600_000;

/** Points of the curves over time. */
const samples = 240;

/** Rounds within which a device has to have trained not to count as left behind. */
const freshRounds = 3;

/** Fewest pictures of a part of the phantom. */
const fewest = 10;

/** Milliseconds between two looks at who is still connected. */
const lookMs = 250;

/**
 * Runs a scenario over real MQTT: broker and aggregator as `psgl cloud` runs them, production devices on links shaped by the scenario's
 * models. Lives are pressed into `minutes`; links, steps and timeouts take the time they take, and rounds follow each other at once.
 * @throws LimitError `PSGL_SCENARIO_DEVICES`; the signal's reason.
 */
export async function runRealScenario(scenario: Scenario, options: RealScenarioOptions): Promise<FleetRecord> {
	const { seed, runtime, threads, minutes, onProgress, signal } = options;
	const devices = scenario.fleet.reduce((sum, { count }) => sum + count, 0);
	requireFew(devices);
	const clock = systemClock;
	const compression = (scenario.hours * 60) / minutes;
	const { artifact } = await scenarioModel(scenario, seededRandom(seed).fork("weights"));
	const held = scenario.fleet.reduce(
		(sum, { count, samples: { least, most } }) => sum + (count * (least + most)) / 2,
		0,
	);
	const data = phantomSplits({
		seed,
		size: scenario.model.imageSize,
		train: Math.max(fewest, Math.round(held)),
		validation: Math.max(fewest, devices, Math.round(held / 8)),
		test: fewest,
	});
	const refusals: Record<string, number> = {};
	await using broker = await startBroker({
		port: 0,
		onEvent: (event) => {
			if (event.type === "refused") refusals[event.error.code] = (refusals[event.error.code] ?? 0) + 1;
		},
	});
	const stop = new AbortController();
	const abort = () => stop.abort(signal?.reason);
	signal?.addEventListener("abort", abort, { once: true });
	await using aggregator = await Aggregator.start({
		artifact,
		runtime,
		broker,
		threads,
		settings: settingsOf(scenario, seed),
	});
	const fleet = await ScenarioFleet.start({ scenario, seed, data, port: broker.port, runtime, clock, compression });
	const { recorder } = fleet;
	const startedAt = clock.now();
	const endMs = scenario.hours * hourMs;
	// The round under way when the time is over still ends.
	const now = () => Math.min(endMs, compression * (clock.now() - startedAt));
	const rounds: FleetRound[] = [];
	let behind = 0;
	try {
		const followed = follow(aggregator, now, (round) => {
			rounds.push(round);
			behind = leftBehind(fleet, round.round);
		});
		const curves = takeSamples();
		await Promise.race([followed, curves]);
		for (const device of fleet.devices) device.settle();
		const groups = structuredClone(Object.fromEntries(recorder.groups));
		recorder.sample(now(), 0);
		aggregator.stop();
		const { counts } = await aggregator.result;
		stop.abort();
		await Promise.allSettled([followed, curves]);
		signal?.throwIfAborted();
		await fleet.close();
		const orphanedSessions = await orphans(broker, fleet);
		const accuracy = rounds.findLast((round) => round.accuracy !== undefined)?.accuracy;
		const { outboxOverflows, hostileMessages, updated } = recorder;
		const found = { counts, orphanedSessions, outboxOverflows, leftBehindShare: behind, accuracy };
		return {
			scenario: scenario.name,
			description: scenario.description,
			mode: "mqtt",
			seed,
			hours: scenario.hours,
			devices,
			calibration: undefined,
			learning: `all devices really train (${scenario.model.network}, ${scenario.model.privacy}) on ${data.name}; accuracy on their validation samples`,
			rounds,
			samples: recorder.samples,
			lagEdgesMs,
			lags: Object.fromEntries(recorder.lags),
			groups,
			counts,
			events: {
				realMinutes: Number(((clock.now() - startedAt) / 60_000).toFixed(2)),
				updated,
				hostileMessages,
				mostWaiting: counts.mostWaiting,
				...refusals,
				...fleet.failures,
			},
			invariants: checkInvariants(scenario, found),
		};
	} finally {
		signal?.removeEventListener("abort", abort);
		stop.abort();
		await fleet.close();
	}

	/** The curves, until the time is over. */
	async function takeSamples(): Promise<void> {
		const stepMs = (minutes * 60_000) / samples;
		for (let i = 0; i < samples; i++) {
			for (const device of fleet.devices) device.settle();
			recorder.sample((i / samples) * endMs, 0);
			onProgress?.(i / samples);
			await clock.sleep(stepMs, stop.signal).catch(() => undefined);
			if (stop.signal.aborted) return;
		}
	}
}

function settingsOf({ training }: Scenario, seed: number): AggregatorSettings {
	const { everyHours: _, stepTimeoutSeconds, roundTimeoutSeconds, ...same } = training;
	return { ...same, seed, stepTimeoutMs: 1000 * stepTimeoutSeconds, roundTimeoutMs: 1000 * roundTimeoutSeconds };
}

/** Tells of each round until training ends. */
async function follow(aggregator: Aggregator, now: () => number, onRound: (round: FleetRound) => void): Promise<void> {
	let [startedAt, devices, leftBehindTimes] = [0, 0, 0];
	for await (const event of aggregator.events()) {
		if (event.type === "round-started") [startedAt, devices, leftBehindTimes] = [now(), event.devices, 0];
		if (event.type === "left-behind") leftBehindTimes++;
		if (event.type === "round") {
			const { round, devicesTrained: trained, validation } = event;
			const accuracy = validation?.fused?.accuracy;
			onRound({ round, startedAt, endedAt: now(), devices, trained, leftBehind: leftBehindTimes, accuracy });
		}
		if (event.type === "end") return;
	}
}

/** Share of the honest devices on line whose weights were not taken in the last rounds. */
function leftBehind(fleet: ScenarioFleet, round: number): number {
	const honest = fleet.devices.filter(({ isOnline, device }) => isOnline && device.malicious === undefined);
	const behind = honest.filter(({ device }) => fleet.lastRoundOf(device.id) < round - freshRounds + 1);
	return honest.length === 0 ? 0 : behind.length / honest.length;
}

/** Sessions that the broker takes for alive when it has had the time to notice that their devices are gone. */
async function orphans(broker: Broker, { devices }: ScenarioFleet): Promise<number> {
	const deadline = systemClock.now() + 2 * lostAfterMs;
	for (;;) {
		const connected = devices.filter(({ device }) => broker.isConnected(device.id)).length;
		if (connected === 0 || systemClock.now() > deadline) return connected;
		await systemClock.sleep(lookMs);
	}
}

function requireFew(devices: number): void {
	if (devices <= scenarioLimits.maxRealDevices) return;
	throw new LimitError("PSGL_SCENARIO_DEVICES", {
		what: "the scenario has too many devices to run them over real MQTT in one process",
		got: String(devices),
		expected: `at most ${scenarioLimits.maxRealDevices}`,
		remedy: "Run it with --virtual, or with smaller groups",
	});
}
