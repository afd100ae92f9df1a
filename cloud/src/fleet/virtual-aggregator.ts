import type {
	Calibration,
	DownlinkMessage,
	Endpoint,
	EventQueue,
	FleetCounts,
	FleetRound,
	Scenario,
	SimulatedCloud,
	UplinkMessage,
} from "@psgl/firmware-sim";
import { LimitError } from "@psgl/sdk";
import { type HelloMessage, protocolVersions, wireDTypes } from "@psgl/sdk/protocol";
import { Roster } from "../aggregator/roster.js";
import { cloudLimits } from "../limits.js";
import type { FleetLearner } from "./fleet-learner.js";
import { VirtualBroker } from "./virtual-broker.js";
import { VirtualIntake } from "./virtual-intake.js";
import { VirtualLeg } from "./virtual-leg.js";
import { VirtualRounds } from "./virtual-rounds.js";
import { VirtualValidation } from "./virtual-validation.js";

export interface VirtualAggregatorOptions {
	readonly queue: EventQueue;
	readonly scenario: Scenario;
	readonly calibration: Calibration;
	/** Batches whose smashed data fit in the aggregator's intake. */
	readonly places: number;
	/** Trains for real; undefined: nothing is learned. */
	readonly learner: FleetLearner | undefined;
}

/**
 * The aggregator in virtual time. What it decides by is what the real one decides by: `Roster`, `legsOf`, `Ledger`, `Credits`,
 * `BatchAudit`, the broker's token buckets and limits. Only waiting, which the real one does with promises on a clock, is events here.
 */
export class VirtualAggregator implements SimulatedCloud {
	readonly #options: VirtualAggregatorOptions;
	readonly #roster = new Roster();
	readonly #broker: VirtualBroker;
	readonly #intake: VirtualIntake;
	readonly #rounds: VirtualRounds;
	/** The aggregator does one thing at a time: until then it is busy. */
	#busyUntil = 0;
	#unreadable = 0;

	constructor(options: VirtualAggregatorOptions) {
		this.#options = options;
		this.#broker = new VirtualBroker(options.queue);
		this.#intake = new VirtualIntake(options.places, (device, message) => this.send(device, message));
		this.#rounds = new VirtualRounds({
			...options,
			roster: this.#roster,
			intake: this.#intake,
			send: (device, message) => this.send(device, message),
			work: (ms) => this.work(ms),
		});
	}

	get counts(): FleetCounts {
		return this.#intake.totals;
	}

	get sessions(): readonly string[] {
		return this.#broker.connected;
	}

	get learning(): string {
		return this.#options.learner?.description ?? "nothing was learned: the scenario has no learning";
	}

	get events(): Readonly<Record<string, number>> {
		return { ...this.#broker.events, unreadable: this.#unreadable, mostWaiting: this.#intake.mostWaiting };
	}

	get rounds(): readonly FleetRound[] {
		return this.#rounds.rounds;
	}

	lastRoundOf(device: string): number {
		return this.#rounds.lastRoundOf(device);
	}

	begin(): void {
		this.#rounds.due();
	}

	connect(endpoint: Endpoint): boolean {
		if (!this.#broker.connect(endpoint)) return false;
		const known = this.#roster.get(endpoint.id);
		if (known !== undefined) known.online = true;
		return true;
	}

	disconnect(endpoint: Endpoint): void {
		if (!this.#broker.disconnect(endpoint)) return;
		const known = this.#roster.get(endpoint.id);
		if (known !== undefined) known.online = false;
		this.#rounds.phase?.changed();
	}

	flood(endpoint: Endpoint, count: number): number {
		const taken = this.#broker.flood(endpoint, count);
		this.#unreadable += taken;
		this.work(taken * this.#options.calibration.messageMs);
		return taken;
	}

	receive(message: UplinkMessage): void {
		if (!this.#broker.admit(message.device)) return;
		if (message.type === "batch" || message.type === "garbage") this.work(this.#options.calibration.messageMs);
		if (message.type === "garbage") {
			this.#unreadable++;
			this.send(message.device, { type: "refused", of: "garbage", epoch: 0, seq: 0, retry: false });
			return;
		}
		if (message.type === "hello") {
			this.#onHello(message);
			return;
		}
		const phase = this.#rounds.phase;
		switch (message.type) {
			case "batch":
				if (phase instanceof VirtualLeg) phase.onBatch(message);
				else this.#intake.take(message);
				return;
			case "weights":
				if (phase instanceof VirtualLeg && phase.onWeights(message)) return;
				this.send(message.device, {
					type: "refused",
					of: "weights",
					epoch: message.epoch,
					seq: 0,
					retry: false,
				});
				return;
			case "evaluate":
				if (phase instanceof VirtualValidation && phase.onEvaluate(message)) return;
				this.send(message.device, {
					type: "refused",
					of: "evaluate",
					epoch: message.epoch,
					seq: 0,
					retry: false,
				});
				return;
			case "resume":
				this.#onResume(message);
				return;
		}
	}

	/** Publishes on a device's topic; nobody gets it when the device is not connected. */
	send(device: string, message: DownlinkMessage): void {
		this.#broker.send(device, message);
	}

	/** Keeps the aggregator busy for `ms` more; returns when it is done. */
	work(ms: number): number {
		this.#busyUntil = Math.max(this.#busyUntil, this.#options.queue.now) + ms;
		return this.#busyUntil;
	}

	#onHello({ device, session, samples, hasArtifact }: Extract<UplinkMessage, { type: "hello" }>): void {
		const hello: HelloMessage = {
			type: "hello",
			device,
			session,
			protocols: protocolVersions,
			samples,
			classes: 2,
			inputShape: [],
			dtypes: wireDTypes,
			maxMessageBytes: cloudLimits.maxMessageBytes,
			agent: "simulated",
			artifacts: [],
		};
		try {
			const { device: known, forgot } = this.#roster.welcome(hello, cloudLimits.maxMessageBytes, 0, "artifact");
			if (forgot) {
				known.holds = undefined;
				this.#rounds.phase?.gone(device);
			}
		} catch (error) {
			if (!(error instanceof LimitError)) throw error;
			this.send(device, { type: "refused", of: "hello", epoch: 0, seq: 0, retry: false });
			return;
		}
		this.send(device, { type: "welcome", withArtifact: !hasArtifact });
		if (this.#rounds.ended) this.send(device, { type: "end" });
		this.#rounds.phase?.changed();
		this.#rounds.onDevice();
	}

	#onResume({ device, awaiting, epoch, seq }: Extract<UplinkMessage, { type: "resume" }>): void {
		switch (awaiting) {
			case "round":
				if (this.#rounds.ended) this.send(device, { type: "end" });
				else this.#rounds.phase?.resend(device);
				return;
			case "credit":
				this.#intake.askedForCredit(device, epoch);
				return;
			case "gradient":
				this.#intake.askedFor({ device, epoch, seq });
				return;
			case "received": {
				const of = this.#rounds.phase instanceof VirtualValidation ? "evaluate" : "weights";
				this.send(device, { type: "refused", of, epoch, seq, retry: true });
				return;
			}
		}
	}
}
