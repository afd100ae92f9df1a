import type { Calibration, DownlinkMessage, EventQueue, FleetRound, Scenario } from "@psgl/firmware-sim";
import { legsOf } from "../aggregator/legs.js";
import type { Roster } from "../aggregator/roster.js";
import type { FleetLearner } from "./fleet-learner.js";
import type { VirtualIntake } from "./virtual-intake.js";
import { VirtualLeg } from "./virtual-leg.js";
import { VirtualValidation } from "./virtual-validation.js";

export interface VirtualRoundsOptions {
	readonly queue: EventQueue;
	readonly scenario: Scenario;
	readonly calibration: Calibration;
	readonly roster: Roster;
	readonly intake: VirtualIntake;
	/** Trains for real; undefined: nothing is learned. */
	readonly learner: FleetLearner | undefined;
	readonly send: (device: string, message: DownlinkMessage) => void;
	/** Keeps the aggregator busy; returns until when. */
	readonly work: (ms: number) => number;
}

const hourMs = 3_600_000;

/** The rounds of a simulation, as `Training` and `trainPass` have them: legs over the devices' data, then the new weights to everyone. */
export class VirtualRounds {
	readonly rounds: FleetRound[] = [];
	/** The leg or validation under way, where devices' messages go. */
	phase: VirtualLeg | VirtualValidation | undefined;
	/** All rounds are over. */
	ended = false;
	readonly #options: VirtualRoundsOptions;
	readonly #lastRounds = new Map<string, number>();
	#epoch = 0;
	#model = 1;
	/** A round is due as soon as enough devices are there. */
	#waiting = false;

	constructor(options: VirtualRoundsOptions) {
		this.#options = options;
	}

	/** The last round in which a device's weights were taken; 0: none. */
	lastRoundOf(device: string): number {
		return this.#lastRounds.get(device) ?? 0;
	}

	/** A device has come. */
	onDevice(): void {
		if (this.#waiting) this.due();
	}

	/** A round is due: begins it, or waits for devices. */
	due(): void {
		const { scenario, roster, send } = this.#options;
		const { rounds, minDevices } = scenario.training;
		if (this.rounds.length >= rounds) {
			this.ended = true;
			for (const { id } of roster.online) send(id, { type: "end" });
			return;
		}
		const needed = this.rounds.length === 0 ? minDevices : 1;
		this.#waiting = roster.trainerCount < needed;
		if (!this.#waiting) this.#round(this.rounds.length + 1);
	}

	#round(round: number): void {
		const { queue, scenario, calibration, learner, roster } = this.#options;
		const startedAt = queue.now;
		const devices = roster.trainers;
		const legs = legsOf(devices, scenario.training);
		const left = new Set<string>();
		const trained = new Set<string>();
		let leftBehind = 0;
		const leg = (index: number): void => {
			const shares = (legs[index] ?? []).filter(({ device }) => !left.has(device.id));
			if (shares.length === 0) {
				this.#validate(finish);
				return;
			}
			this.#epoch++;
			this.phase = new VirtualLeg({
				...this.#options,
				epoch: this.#epoch,
				model: this.#model,
				shares,
				settings: scenario.training,
				stepMs: calibration.serverStepMs,
				onEnd: async (parts) => {
					this.phase = undefined;
					this.#model++;
					for (const { device, returned, leftBehind: times } of parts) {
						leftBehind += times;
						if (!returned) left.add(device);
						else {
							trained.add(device);
							this.#lastRounds.set(device, round);
						}
					}
					await learner?.leg(round, parts);
					leg(index + 1);
				},
			});
			this.phase.start();
		};
		const finish = async (): Promise<void> => {
			this.phase = undefined;
			const accuracy = await learner?.accuracy();
			const endedAt = queue.now;
			const found = { devices: devices.length, trained: trained.size, leftBehind, accuracy };
			this.rounds.push({ round, startedAt, endedAt, ...found });
			const { everyHours } = scenario.training;
			queue.at(everyHours === undefined ? endedAt : startedAt + everyHours * hourMs, () => this.due());
		};
		leg(0);
	}

	#validate(finish: () => Promise<void>): void {
		const { queue, scenario, roster, send } = this.#options;
		this.phase = new VirtualValidation({
			queue,
			epoch: this.#epoch,
			model: this.#model,
			devices: roster.online,
			timeoutMs: 1000 * scenario.training.stepTimeoutSeconds,
			send,
			onEnd: finish,
		});
		this.phase.start();
	}
}
