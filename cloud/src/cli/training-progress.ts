import { type Clock, systemClock } from "@psgl/sdk";
import type { AggregatorEvent } from "../aggregator/events.js";
import { describeDecision } from "./describe-decision.js";
import { formatBytes, formatPercent } from "./format.js";
import type { Output, Progress } from "./output.js";

type RolloutEvent = Extract<AggregatorEvent, { type: "rollout" }>;
type RoundEvent = Extract<AggregatorEvent, { type: "round" }>;

export interface TrainingProgressOptions {
	/** Stands before every line, for instance `psgl` or `vanilla`. */
	readonly label: string;
	/** Batches all devices will send in a round, where that is known before the first one. */
	readonly batchesPerRound?: number | undefined;
	/** Say how many devices are there while training waits for more. Default true. */
	readonly tellWaiting?: boolean | undefined;
	readonly clock?: Clock | undefined;
}

/** Shows what the aggregator tells: a bar through the batches of each round, a line at its end. */
export class TrainingProgress {
	readonly #output: Output;
	readonly #label: string;
	readonly #clock: Clock;
	readonly #tellWaiting: boolean;
	#batchesPerRound: number | undefined;
	#bar: Progress | undefined;
	#batches = 0;
	#started = 0;
	#devices = 0;
	#last: RoundEvent | undefined;

	constructor(output: Output, options: TrainingProgressOptions) {
		this.#output = output;
		this.#label = options.label;
		this.#batchesPerRound = options.batchesPerRound;
		this.#tellWaiting = options.tellWaiting ?? true;
		this.#clock = options.clock ?? systemClock;
	}

	show(event: AggregatorEvent): void {
		if (event.type === "round-started") this.#start(event.round, event.rounds, event.devices);
		if (event.type === "step") this.#step(event.devices.length, event.losses);
		if (event.type === "round") {
			this.#last = event;
			this.#batchesPerRound = event.steps;
		}
		if (event.type === "round" || event.type === "end") this.stop();
		this.#output.event(event.type, { system: this.#label, ...event }, this.#line(event));
	}

	stop(): void {
		this.#bar?.stop();
		this.#bar = undefined;
	}

	#start(round: number, rounds: number, devices: number): void {
		this.#batches = 0;
		this.#started = this.#clock.now();
		this.#devices = devices;
		const total = this.#batchesPerRound;
		// Off a terminal the line at the end of the round is enough.
		if (!this.#output.terminal || total === undefined) return;
		this.#bar = this.#output.progress(`${this.#label} round ${round}/${rounds}`, total);
	}

	#step(devices: number, losses: readonly number[]): void {
		this.#batches += devices;
		if (this.#bar === undefined) return;
		const seconds = (this.#clock.now() - this.#started) / 1000;
		const parts = [
			...(losses.length > 0 ? [`loss ${mean(losses).toFixed(3)}`] : []),
			`accuracy ${formatPercent(this.#last?.validation?.fused?.accuracy)}`,
			`${(this.#batches / Math.max(seconds, 0.001)).toFixed(1)} steps/s`,
			`up ${formatBytes(this.#last?.traffic.bytesUp ?? 0)} down ${formatBytes(this.#last?.traffic.bytesDown ?? 0)}`,
			`${this.#devices} devices`,
		];
		this.#bar.update(this.#batches, parts.join("  "));
	}

	/** Undefined for what only programs want to know. */
	#line(event: AggregatorEvent): string | undefined {
		switch (event.type) {
			case "resumed":
				return event.sameRuntime
					? undefined
					: "The checkpoint is of another version of ONNX Runtime, or another --threads: the run goes on, but not to the same bits";
			case "replayed":
				return event.identical
					? undefined
					: `Round ${event.round} came to other weights than the journal says: another version of ONNX Runtime, or another --threads`;
			case "waiting":
				return this.#tellWaiting ? `Waiting for devices: ${event.devices} of ${event.needed}` : undefined;
			case "round":
				return `${this.#label} ${roundLine(event)}`;
			case "device-paused":
				return event.reasons.length > 0
					? `${event.device} does not train for now: ${event.reasons.join(", ")}`
					: undefined;
			case "left-behind":
				return `${event.device} did not answer in time; round ${event.round} goes on without it`;
			case "taken-back":
				return `${event.device} takes part in round ${event.round} again`;
			case "rollout":
				return rolloutLine(event);
			case "checkpoint-failed":
				return `Training goes on without a checkpoint: ${event.reason}`;
			case "refused":
				return `${event.device}: a message was refused: ${event.code}: ${event.reason}`;
			case "device":
				return event.state === "offline" ? `${event.device} is offline; ${event.devicesOnline} on line` : undefined;
			default:
				return undefined;
		}
	}
}

/** Undefined for what devices tell one by one. */
function rolloutLine({ cause, phase, percentage, reason, problem }: RolloutEvent): string | undefined {
	if (problem !== undefined) return `Roll-out: ${problem}`;
	if (cause === "device") return undefined;
	if (phase === "rolled-back") return `Roll-out rolled back${cause === "automatic" ? " by itself" : ""}: ${reason}`;
	return phase === "halted" ? "Roll-out halted: no further device gets the candidate" : `Roll-out at ${percentage} %`;
}

function roundLine(event: RoundEvent): string {
	const { round, rounds, losses, validation, stepsPerSecond, traffic, devicesOnline } = event;
	const known = Object.entries(losses).filter(([, value]) => !Number.isNaN(value));
	// In a local round no stream has one; where labels stay on the devices, nobody here has any.
	const local = Number.isNaN(event.localLoss) ? "on the devices" : `of the local heads ${event.localLoss.toFixed(3)}`;
	const loss = known.length === 0 ? [local] : known.map(named);
	const parts = [
		`round ${round}/${rounds}: loss ${loss.join(" ")}`,
		describeDecision(validation?.fused),
		`${stepsPerSecond.toFixed(1)} steps/s`,
		`up ${formatBytes(traffic.bytesUp)}, down ${formatBytes(traffic.bytesDown)}`,
		`${devicesOnline} devices on line`,
	];
	return parts.join(", ");
}

function named([stream, value]: readonly [string, number]): string {
	return `${stream} ${value.toFixed(3)}`;
}

function mean(values: readonly number[]): number {
	return values.reduce((sum, value) => sum + value, 0) / values.length;
}
