import { seededRandom } from "@psgl/sdk";
import { checkInvariants } from "../scenario/check-invariants.js";
import { expandFleet, type FleetDevice } from "../scenario/expand-fleet.js";
import type { Calibration, Scenario } from "../scenario/scenario.js";
import { EventQueue } from "./event-queue.js";
import type { FleetCounts, FleetRecord, FleetRound } from "./fleet-record.js";
import { FleetRecorder, lagEdgesMs } from "./fleet-recorder.js";
import type { MessageSizes, VirtualCloud } from "./virtual-cloud.js";
import { lostAfterMs } from "./virtual-connection.js";
import { VirtualDevice } from "./virtual-device.js";
import type { VirtualWorld } from "./virtual-world.js";

const hourMs = 3_600_000;

/** Points of the curves over time. */
const samples = 336;

/** Rounds within which a device has to have trained not to count as left behind. */
const freshRounds = 3;

/** Broker and aggregator of a simulation, and what they know at its end. */
export interface SimulatedCloud extends VirtualCloud {
	readonly rounds: readonly FleetRound[];
	readonly counts: FleetCounts;
	/** Devices the cloud takes for connected. */
	readonly sessions: readonly string[];
	/** The last round in which a device's weights were taken; 0: none. */
	lastRoundOf(device: string): number;
	/** What it was learned on, and how. */
	readonly learning: string;
	/** What else happened there. */
	readonly events: Readonly<Record<string, number>>;
	/** Begins its work: rounds as the scenario has them. */
	begin(): void;
}

export interface SimulationOptions {
	readonly scenario: Scenario;
	readonly seed: number;
	readonly calibration: Calibration;
	readonly sizes: MessageSizes;
	readonly keptMessage: VirtualWorld["keptMessage"];
	/** Makes the cloud of this simulation. */
	readonly cloud: (queue: EventQueue, devices: readonly FleetDevice[]) => Promise<SimulatedCloud>;
	/** Called with the share of the simulated time that has passed. */
	readonly onProgress?: ((share: number) => void) | undefined;
	readonly signal?: AbortSignal | undefined;
}

/**
 * Runs a scenario in virtual time: one queue of events, everything that chance decides drawn from the seed, so that the same
 * scenario, seed and calibration give the same record to the last bit on one machine.
 * @throws the signal's reason.
 */
export async function simulateFleet(options: SimulationOptions): Promise<FleetRecord> {
	const { scenario, seed, calibration, sizes, keptMessage, onProgress, signal } = options;
	const random = seededRandom(seed).fork("fleet");
	const queue = new EventQueue();
	const expanded = expandFleet(scenario, random);
	const recorder = new FleetRecorder();
	const cloud = await options.cloud(queue, expanded);
	const { batchSize } = scenario.training;
	const world: VirtualWorld = { queue, cloud, sizes, calibration, batchSize, recorder, keptMessage };
	const devices = expanded.map((device) => new VirtualDevice(world, device));
	for (const device of devices) device.begin();
	const versions = planUpdates(scenario, queue, devices, random.fork("updates").permutation(devices.length));
	cloud.begin();
	const endMs = scenario.hours * hourMs;
	let orphanedSessions = 0;
	for (let i = 0; i <= samples; i++) {
		const at = (i / samples) * endMs;
		await queue.runUntil(at, signal);
		for (const device of devices) device.settle();
		recorder.sample(
			at,
			devices.reduce((sum, { energy }) => sum + energy.joules(at), 0),
		);
		orphanedSessions = Math.max(orphanedSessions, orphans(cloud, devices, at));
		onProgress?.(i / samples);
	}
	for (const { device, energy } of devices) recorder.group(device.group.name).joules += energy.joules(endMs);
	const { counts, rounds, events } = cloud;
	const behind = leftBehind(devices, cloud, versions());
	const accuracy = rounds.findLast((round) => round.accuracy !== undefined)?.accuracy;
	const { outboxOverflows, reconnects, refusedConnections, updated, failedUpdates, hostileMessages } = recorder;
	return {
		scenario: scenario.name,
		description: scenario.description,
		mode: "virtual",
		seed,
		hours: scenario.hours,
		devices: devices.length,
		calibration,
		learning: cloud.learning,
		rounds,
		samples: recorder.samples,
		lagEdgesMs,
		lags: Object.fromEntries(recorder.lags),
		groups: Object.fromEntries(recorder.groups),
		counts,
		events: { events: queue.done, reconnects, refusedConnections, updated, failedUpdates, hostileMessages, ...events },
		invariants: checkInvariants(scenario, {
			counts,
			orphanedSessions,
			outboxOverflows,
			leftBehindShare: behind,
			accuracy,
		}),
	};
}

/** Plans the waves of every update; returns what tells the newest version and since when everyone was offered it. */
function planUpdates(
	{ updates }: Scenario,
	queue: EventQueue,
	devices: readonly VirtualDevice[],
	order: Uint32Array,
): () => number {
	let complete = 0;
	for (const [i, { atHours, waves, everyHours, megabytes, failures }] of updates.entries()) {
		for (const [wave, share] of waves.entries()) {
			const from = Math.round((waves[wave - 1] ?? 0) * devices.length);
			const to = Math.round(share * devices.length);
			queue.at((atHours + wave * everyHours) * hourMs, () => {
				for (const place of order.subarray(from, to)) {
					(devices[place] as VirtualDevice).offer(i + 1, 1_000_000 * megabytes, failures);
				}
				if (wave === waves.length - 1) complete = i + 1;
			});
		}
	}
	return () => complete;
}

/** Sessions the cloud takes for alive although their devices have been gone longer than it takes to notice. */
function orphans(cloud: SimulatedCloud, devices: readonly VirtualDevice[], now: number): number {
	const gone = new Set<string>();
	for (const { device, connection } of devices) if (connection.goneFor(now) > lostAfterMs) gone.add(device.id);
	return cloud.sessions.reduce((count, id) => count + (gone.has(id) ? 1 : 0), 0);
}

/** Share of the honest devices on line whose weights were not taken in the last rounds, or that lack the newest firmware. */
function leftBehind(devices: readonly VirtualDevice[], cloud: SimulatedCloud, firmware: number): number {
	const honest = devices.filter(({ device, isOnline }) => isOnline && device.malicious === undefined);
	const last = cloud.rounds.at(-1)?.round ?? 0;
	const behind = honest.filter(
		(each) => each.firmware < firmware || cloud.lastRoundOf(each.device.id) < Math.min(last, last - freshRounds + 1),
	);
	return honest.length === 0 ? 0 : behind.length / honest.length;
}
