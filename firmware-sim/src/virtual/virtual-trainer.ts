import { deviceTimes, LimitError } from "@psgl/sdk";
import { deviceProfiles } from "../scenario/device-profiles.js";
import type { FleetDevice } from "../scenario/expand-fleet.js";
import { DeviceOutbox } from "./device-outbox.js";
import type { EnergyMeter } from "./energy-meter.js";
import type { GroupTotals } from "./fleet-recorder.js";
import { Patience } from "./patience.js";
import { messageAt, placeOf, type Round, type RoundPlace, startOfRound } from "./round-place.js";
import type { DownlinkMessage, UplinkMessage } from "./virtual-cloud.js";
import type { VirtualConnection } from "./virtual-connection.js";
import type { KeptKind, VirtualWorld } from "./virtual-world.js";

/** What the device is doing; lost with its power. */
type Phase = "off" | "waiting" | "credit" | "computing" | "exchange" | "stuck";

/**
 * The device's half of the protocol in virtual time (docs/protocol.md): rounds, batches one at a time under credit, weights, and what
 * it asks when an answer does not come. The outbox is the device's own.
 */
export class VirtualTrainer {
	readonly #world: VirtualWorld;
	readonly #device: FleetDevice;
	readonly #connection: VirtualConnection;
	readonly #energy: EnergyMeter;
	readonly #totals: GroupTotals;
	readonly #outbox: DeviceOutbox;
	#progress: RoundPlace | undefined;
	#phase: Phase = "off";
	#hasArtifact = false;
	#welcomed = false;
	readonly #patience: Patience;
	#refusals = 0;
	/** When the present message left for the first time. */
	#sentAt = 0;
	/** What is computed for a former phase, or before a loss of power, has no effect. */
	#task = 0;

	constructor(
		world: VirtualWorld,
		device: FleetDevice,
		connection: VirtualConnection,
		energy: EnergyMeter,
		totals: GroupTotals,
	) {
		this.#world = world;
		this.#device = device;
		this.#connection = connection;
		this.#energy = energy;
		this.#totals = totals;
		this.#outbox = new DeviceOutbox(world.queue, device);
		this.#patience = new Patience(world.queue, () => this.#onQuiet());
	}

	/** The last batch it sent, for those who send it again. */
	get lastBatch(): UplinkMessage | undefined {
		const progress = this.#progress;
		if (progress?.round.task !== "train" || progress.seq === 0) return undefined;
		return messageAt("batch", this.#device.id, progress, progress.seq - 1);
	}

	/** The device's process starts; with its store it is the same session to the aggregator. */
	start(): void {
		this.#welcomed = false;
		this.#outbox.started();
		this.#phase = "waiting";
	}

	stop(): void {
		this.#enter("off");
	}

	/** Connected: says hello. */
	onOpen(): void {
		const { id, samples, validation } = this.#device;
		const holds = { train: samples, validation };
		this.#connection.send(
			{ type: "hello", device: id, session: 1, samples: holds, hasArtifact: this.#hasArtifact },
			false,
		);
		if (this.#phase === "waiting") this.#connection.waits(true);
	}

	async onMessage(message: DownlinkMessage): Promise<void> {
		if (this.#phase === "off" || this.#phase === "stuck") return;
		switch (message.type) {
			case "welcome":
				return this.#onWelcome(message.withArtifact);
			case "round":
				return this.#onRound(message);
			case "gradient":
				return this.#onGradient(message);
			case "credit":
				if (this.#progress?.round.epoch !== message.epoch) return;
				this.#progress.credit = Math.max(this.#progress.credit, message.upTo);
				if (this.#phase === "credit" && this.#progress.seq < this.#progress.credit) return this.#next();
				return;
			case "received":
				if (this.#phase !== "exchange" || this.#progress?.round.epoch !== message.epoch) return;
				if (this.#outbox.first?.message.type === message.of) this.#roundDone();
				return;
			case "refused":
				return this.#onRefused(message);
			case "end":
				this.#enter("waiting");
		}
	}

	#onWelcome(withArtifact: boolean): Promise<void> | void {
		if (withArtifact) this.#hasArtifact = true;
		const first = !this.#welcomed;
		this.#welcomed = true;
		if (this.#phase === "exchange") return this.#ask(false);
		if (this.#phase === "credit") return this.#askFor("credit");
		if (this.#phase !== "waiting") return;
		const progress = this.#progress;
		if (!first || progress === undefined || progress.done) return this.#askFor("round");
		// Started again in the middle of a round.
		return this.#next();
	}

	#onRound(round: Round): Promise<void> | void {
		const known = this.#progress;
		if (known !== undefined && placeOf(round) <= placeOf(known.round)) return;
		this.#outbox.clear();
		this.#connection.settled();
		this.#progress = startOfRound(round, this.#device, this.#world.batchSize);
		this.#enter("waiting");
		return this.#next();
	}

	/** The next batch, or the end of the round. What is in the outbox goes first: it may have its answer already. */
	#next(): Promise<void> | void {
		const progress = this.#progress as RoundPlace;
		const { round, batches, seq } = progress;
		if (this.#outbox.first !== undefined) {
			this.#enter("exchange");
			return this.#ask(false);
		}
		const samples = batches[seq];
		const send = (kind: KeptKind) => this.#exchange(messageAt(kind, this.#device.id, progress));
		if (samples === undefined) return round.task === "validate" ? this.#roundDone() : send("weights");
		if (round.task === "train" && seq >= progress.credit) {
			this.#enter("credit");
			return this.#patience.wait();
		}
		const forwardMs = this.#world.calibration.forwardMs * (samples / this.#world.batchSize);
		return this.#compute(forwardMs, () => send(round.task === "validate" ? "evaluate" : "batch"));
	}

	/** Keeps a message in the outbox and sends it. */
	async #exchange(message: Extract<UplinkMessage, { type: KeptKind }>): Promise<void> {
		const seq = message.type === "batch" ? message.seq : 0;
		const { device, epoch, samples } = message;
		const kept = this.#world.keptMessage(message.type, device, epoch, seq, samples);
		try {
			await this.#outbox.keep(kept);
		} catch (error) {
			return this.#overflow(error);
		}
		this.#enter("exchange");
		this.#refusals = 0;
		this.#sentAt = this.#world.queue.now;
		this.#connection.send(message, true);
		this.#patience.wait();
	}

	#onGradient({ epoch, seq, credit }: Extract<DownlinkMessage, { type: "gradient" }>): void {
		const progress = this.#progress;
		if (this.#phase !== "exchange" || progress?.round.epoch !== epoch || progress.seq !== seq) return;
		const samples = progress.batches[seq];
		if (samples === undefined) return;
		const { recorder, calibration, batchSize, queue } = this.#world;
		recorder.lag(this.#device.group.link, queue.now - this.#sentAt);
		if (credit !== undefined) progress.credit = Math.max(progress.credit, credit);
		this.#connection.settled();
		this.#compute(calibration.backwardMs * (samples / batchSize), () => {
			this.#outbox.clear();
			progress.seq++;
			progress.samples += samples;
			this.#totals.batches++;
			return this.#next();
		});
	}

	#onRefused({ of, epoch, seq, retry }: Extract<DownlinkMessage, { type: "refused" }>): Promise<void> | void {
		const progress = this.#progress;
		if (progress === undefined || progress.round.epoch !== epoch) return;
		if (of === "batch" && this.#phase === "credit" && !retry) return this.#giveUpRound();
		const entry = this.#outbox.first;
		if (this.#phase !== "exchange" || entry === undefined || entry.message.type !== of) return;
		if (of === "batch" && seq !== progress.seq) return;
		if (retry) {
			if (++this.#refusals <= deviceTimes.maxPromptRepeats) return this.#ask(true);
			return;
		}
		this.#outbox.clear();
		this.#connection.settled();
		if (of !== "batch") return this.#roundDone();
		// A batch the aggregator does not want ends the round.
		progress.seq = progress.batches.length;
		return this.#next();
	}

	#giveUpRound(): void {
		if (this.#progress !== undefined) this.#progress.done = true;
		this.#enter("waiting");
	}

	#roundDone(): void {
		this.#outbox.clear();
		this.#connection.settled();
		if (this.#progress !== undefined) this.#progress.done = true;
		this.#enter("waiting");
	}

	/** Asks for the answer, or sends the message again under the same identity. */
	#ask(resend: boolean): void {
		const entry = this.#outbox.first;
		const progress = this.#progress;
		if (entry === undefined || progress === undefined) return;
		const kind = entry.message.type as KeptKind;
		if (resend) this.#connection.send(messageAt(kind, this.#device.id, progress), true);
		else this.#askFor(kind === "batch" ? "gradient" : "received");
		this.#patience.wait();
	}

	#askFor(awaiting: Extract<UplinkMessage, { type: "resume" }>["awaiting"]): void {
		const epoch = this.#progress?.round.epoch ?? 0;
		const seq = this.#progress?.seq ?? 0;
		this.#connection.send({ type: "resume", device: this.#device.id, awaiting, epoch, seq }, false);
	}

	#onQuiet(): void {
		if (this.#phase === "exchange") {
			try {
				this.#outbox.requireFresh();
			} catch (error) {
				this.#overflow(error);
				return;
			}
		}
		// While the link is down nothing can come; the next connection asks.
		if (!this.#connection.isOpen) return;
		const resend = this.#patience.quiet % 2 === 1;
		this.#patience.quiet++;
		if (this.#phase === "exchange") {
			this.#ask(resend);
			return;
		}
		if (this.#phase === "credit") {
			this.#askFor("credit");
			this.#patience.wait();
		}
	}

	#overflow(error: unknown): void {
		if (!(error instanceof LimitError)) throw error;
		this.#world.recorder.outboxOverflows++;
		this.#enter("stuck");
	}

	#compute(referenceMs: number, then: () => Promise<void> | void): void {
		this.#enter("computing");
		const { profile } = this.#device.group;
		const ms = referenceMs * deviceProfiles[profile].computeFactor * this.#device.slowdown;
		this.#energy.compute(ms);
		const task = this.#task;
		this.#world.queue.after(ms, () => (task === this.#task ? then() : undefined));
	}

	#enter(phase: Phase): void {
		this.#patience.end();
		this.#task++;
		this.#phase = phase;
		this.#connection.waits(phase === "waiting");
	}
}
