import { z } from "zod";
import type { AggregatorEvent, RoundReport } from "../../aggregator/events.js";
import { cloudLimits as limits } from "../../limits.js";
import type { RunView } from "./run-view.js";

const count = z.int().min(0);
/** Null where it could not be measured. */
const figure = z.number().nullable();

/** Of one round on validation data: accuracy, balanced accuracy and mean loss. */
const validation = z.strictObject({
	samples: count.default(0).describe("0 where it was not written down"),
	accuracy: figure,
	balancedAccuracy: figure,
	loss: figure,
});

/** A finished round. */
export const roundFigures = z.strictObject({
	round: count,
	/** ISO 8601, UTC. */
	at: z.iso.datetime(),
	losses: z.record(z.string(), figure).describe("mean training loss by stream"),
	localLoss: figure.describe("mean loss of the devices' local heads"),
	validation: z
		.record(z.string(), validation)
		.describe("by stream, the decision as fused; empty where no device validated"),
	best: z.boolean().describe("whether it was the best so far"),
	learningRate: z.number(),
	model: count.describe("version of the weights after it"),
	samples: count,
	steps: count.describe("batches applied"),
	seconds: z.number(),
	devicesTrained: count,
	bytesUp: count.describe("payload bytes from devices since the cloud started"),
	bytesDown: count,
});

export type RoundFigures = Readonly<z.infer<typeof roundFigures>>;

/** One optimiser step of the server segment. */
export const stepFigures = z.strictObject({
	round: count,
	step: count.describe("steps in the round so far"),
	devices: count,
	losses: z.record(z.string(), figure).describe("cross-entropy by stream"),
});

export type StepFigures = Readonly<z.infer<typeof stepFigures>>;

export const runState = z.enum(["starting", "waiting", "training", "serving"]);

export type RunState = z.infer<typeof runState>;

/** What is going on with the run, from the aggregator's events. */
export class RunBoard implements RunView {
	readonly #streams: readonly string[];
	readonly #rounds = new Map<number, RoundFigures>();
	#steps: StepFigures[] = [];
	#state: RunState = "starting";
	#endReason: string | undefined;
	#needed = 0;
	#planned = 0;

	/** @param streams names of the losses of a step */
	constructor(streams: readonly string[]) {
		this.#streams = streams;
	}

	get state(): RunState {
		return this.#state;
	}

	get endReason(): string | undefined {
		return this.#endReason;
	}

	/** Devices that have to be there; 0 while nothing waits for them. */
	get devicesNeeded(): number {
		return this.#needed;
	}

	/** Rounds the run is to have; 0 before the first. */
	get roundsPlanned(): number {
		return this.#planned;
	}

	/** Finished rounds, in order. */
	get rounds(): readonly RoundFigures[] {
		return [...this.#rounds.values()].sort((a, b) => a.round - b.round);
	}

	/** The last steps, in order. */
	get steps(): readonly StepFigures[] {
		return this.#steps.slice(-limits.stepsShown);
	}

	/** Rounds that a process before this one finished. */
	restore(rounds: readonly RoundFigures[]): void {
		for (const round of rounds) this.#take(round);
	}

	/** The cloud serves, and trains no more. */
	serve(): void {
		this.#state = "serving";
	}

	step(event: Extract<AggregatorEvent, { type: "step" }>): StepFigures {
		const losses = Object.fromEntries(this.#streams.map((name, i) => [name, finite(event.losses[i])]));
		const figures = { round: event.round, step: event.step, devices: event.devices.length, losses };
		this.#state = "training";
		if (this.#steps.length >= 2 * limits.stepsShown) this.#steps = this.#steps.slice(-limits.stepsShown);
		this.#steps.push(figures);
		return figures;
	}

	/** @param nowMs milliseconds since the Unix epoch */
	round(report: RoundReport, nowMs: number): RoundFigures {
		const figures: RoundFigures = {
			round: report.round,
			at: new Date(nowMs).toISOString(),
			losses: mapped(report.losses, finite),
			localLoss: finite(report.localLoss),
			validation: mapped(report.validation ?? {}, ({ samples, accuracy, balancedAccuracy, loss }) => ({
				samples,
				accuracy: finite(accuracy),
				balancedAccuracy: finite(balancedAccuracy),
				loss: finite(loss),
			})),
			best: report.best,
			learningRate: report.learningRate,
			model: report.model,
			samples: report.samples,
			steps: report.steps,
			seconds: report.seconds,
			devicesTrained: report.devicesTrained,
			bytesUp: report.traffic.bytesUp,
			bytesDown: report.traffic.bytesDown,
		};
		this.#planned = report.rounds;
		this.#take(figures);
		return figures;
	}

	/** Everything but steps and rounds; whether something changed that is shown. */
	other(event: AggregatorEvent): boolean {
		switch (event.type) {
			case "waiting":
				this.#state = "waiting";
				this.#needed = event.needed;
				return true;
			case "round-started":
				this.#state = "training";
				this.#needed = 0;
				this.#planned = event.rounds;
				return true;
			case "end":
				this.#state = "serving";
				this.#endReason = event.reason;
				return true;
			default:
				return false;
		}
	}

	#take(figures: RoundFigures): void {
		this.#rounds.set(figures.round, figures);
		const [first] = this.#rounds.keys();
		if (this.#rounds.size > limits.roundsShown && first !== undefined) this.#rounds.delete(first);
	}
}

function finite(value: number | undefined): number | null {
	return value !== undefined && Number.isFinite(value) ? value : null;
}

function mapped<T, U>(record: Readonly<Record<string, T>>, of: (value: T) => U): Record<string, U> {
	return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, of(value)]));
}
