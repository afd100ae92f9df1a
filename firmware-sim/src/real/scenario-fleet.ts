import { setMaxListeners } from "node:events";
import { ClientSegmentCache, type Clock, type Runtime, seededRandom } from "@psgl/sdk";
import { type DataSplits, Dataset } from "@psgl/sdk/sources";
import { dealSplits, type Share } from "../deal-splits.js";
import { expandFleet } from "../scenario/expand-fleet.js";
import type { Scenario } from "../scenario/scenario.js";
import { FleetRecorder } from "../virtual/fleet-recorder.js";
import { livePlan } from "./life-plan.js";
import { poisonedRuntime } from "./poisoned-runtime.js";
import { RealDevice } from "./real-device.js";

export interface ScenarioFleetOptions {
	readonly scenario: Scenario;
	readonly seed: number;
	/** Dealt to the devices. */
	readonly data: DataSplits;
	/** Port of the broker on this machine. */
	readonly port: number;
	readonly runtime: Runtime;
	readonly clock: Clock;
	/** Scenario milliseconds in one real one: lives go so much faster, links and steps do not. */
	readonly compression: number;
}

/** Milliseconds after which a device that gave up is started again, as a supervisor does it. */
const restartAfterMs = 1000;

/** A device's outbox was full, or a message in it too old. */
const overflows = ["PSGL_OUTBOX_FULL", "PSGL_OUTBOX_EXPIRED"];

/** The devices of a scenario over real MQTT: production devices on shaped links, whose power comes and goes as the scenario says. */
export class ScenarioFleet implements AsyncDisposable {
	readonly recorder = new FleetRecorder();
	readonly devices: RealDevice[] = [];
	/** Times a device gave up, by the code of its error. */
	readonly failures: Record<string, number> = {};
	readonly #options: ScenarioFleetOptions;
	readonly #ending = new AbortController();
	readonly #lives: Promise<void>[] = [];
	readonly #lastPasses = new Map<string, number>();
	readonly #segments: ClientSegmentCache;
	readonly #poisoned: ClientSegmentCache;

	private constructor(options: ScenarioFleetOptions) {
		this.#options = options;
		// Every life listens; Node takes more than ten listeners for a leak.
		setMaxListeners(0, this.#ending.signal);
		this.#segments = new ClientSegmentCache({ runtime: options.runtime });
		this.#poisoned = new ClientSegmentCache({ runtime: poisonedRuntime(options.runtime) });
	}

	/** Links listen, and lives begin. @throws ConfigError and DataError as `dealSplits`. */
	static async start(options: ScenarioFleetOptions): Promise<ScenarioFleet> {
		const { scenario, seed, data, port, clock, compression } = options;
		const fleet = new ScenarioFleet(options);
		const expanded = expandFleet(scenario, seededRandom(seed).fork("fleet"));
		const shares = dealSplits(data, expanded.length, scenario.learning?.deal ?? "iid", seed);
		for (const [i, device] of expanded.entries()) {
			const bad = device.malicious === "poison";
			const share = shares[i] as Share;
			const real = await RealDevice.create({
				device,
				data: bad ? { ...share, train: otherLabels(share.train) } : share,
				port,
				segments: bad ? fleet.#poisoned : fleet.#segments,
				clock,
				compression,
				recorder: fleet.recorder,
				onEvent: (event) => {
					if (event.type === "step") fleet.recorder.group(device.group.name).batches++;
					if (event.type === "trained") fleet.#lastPasses.set(device.id, event.pass);
				},
				onFailed: (error) => fleet.#onFailed(real, error),
			});
			fleet.devices.push(real);
			fleet.#lives.push(fleet.#live(real));
		}
		fleet.#lives.push(...scenario.updates.flatMap((update, version) => fleet.#update(update, version)));
		return fleet;
	}

	/** The last round a device's weights were taken in; 0: none. */
	lastRoundOf(device: string): number {
		return this.#lastPasses.get(device) ?? 0;
	}

	/** All lives end: devices stop in good order, links close. */
	async close(): Promise<void> {
		this.#ending.abort();
		await Promise.all(this.#lives);
		await Promise.all(this.devices.map((device) => device.close()));
		await this.#segments.close();
		await this.#poisoned.close();
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}

	#live(real: RealDevice): Promise<void> {
		const { clock, compression } = this.#options;
		const totals = this.recorder.group(real.device.group.name);
		return livePlan(real, {
			clock,
			compression,
			signal: this.#ending.signal,
			onRestart: () => {
				totals.restarts++;
			},
			onPowerLoss: () => {
				totals.powerLosses++;
			},
		});
	}

	/** An update over real MQTT is the restart it ends with; what it downloads is left away. */
	#update({ atHours, waves, everyHours }: Scenario["updates"][number], version: number): Promise<void>[] {
		const { clock, compression, seed } = this.#options;
		const order = seededRandom(seed).fork(`update ${version}`).permutation(this.devices.length);
		return waves.map(async (share, wave) => {
			const from = Math.round((waves[wave - 1] ?? 0) * order.length);
			try {
				await clock.sleep(((atHours + wave * everyHours) * 3_600_000) / compression, this.#ending.signal);
				for (const place of order.subarray(from, Math.round(share * order.length))) {
					const device = this.devices[place] as RealDevice;
					this.recorder.updated++;
					if (!device.isRunning) continue;
					await device.stop(true);
					device.start();
				}
			} catch (error) {
				if (!this.#ending.signal.aborted) throw error;
			}
		});
	}

	#onFailed(real: RealDevice, error: unknown): void {
		const code = error instanceof Error && "code" in error ? String(error.code) : "other";
		this.failures[code] = (this.failures[code] ?? 0) + 1;
		if (overflows.includes(code)) this.recorder.outboxOverflows++;
		const { signal } = this.#ending;
		const again = this.#options.clock.sleep(restartAfterMs, signal).then(
			() => real.again(),
			() => undefined,
		);
		this.#lives.push(again);
	}
}

/** The samples with labels that are all wrong. */
function otherLabels({ shape, classes, labels, samples }: Dataset): Dataset {
	return new Dataset({ shape, classes, samples, labels: labels.map((label) => (label + 1) % classes.length) });
}
