import type { DeviceEvent, ModelReport, PsglError, TransportEvent } from "@psgl/sdk";
import type { PauseReason } from "@psgl/sdk/protocol";
import { formatSeconds } from "./format.js";
import type { Output, Progress } from "./output.js";

/** Shows what one device does. */
export class DeviceProgress {
	readonly #output: Output;
	readonly #device: string;
	#bar: Progress | undefined;
	/** Pass under way, and its batches before the leg under way. */
	#pass: number | undefined;
	#first = 0;

	constructor(output: Output, device: string) {
		this.#output = output;
		this.#device = device;
	}

	/** The link to the broker, also before training. */
	link(event: TransportEvent): void {
		this.#output.event(event.type, { device: this.#device, ...plain(event) }, linkLine(this.#device, event));
	}

	/** Before training: the device waits for its storage, with why, or has it. */
	storage(error: PsglError | undefined): void {
		this.training(error === undefined ? { type: "resumed" } : { type: "paused", reasons: ["storage"], error });
	}

	/** What became of a model on the device. */
	model(report: ModelReport): void {
		this.#output.event("model", { device: this.#device, ...report }, modelLine(this.#device, report));
	}

	/** The processor computes in place of the execution provider that was named. */
	fallback(provider: string, reason: string): void {
		const line = `${this.#device}: ${provider} cannot be used, the processor computes: ${reason}`;
		this.#output.event("provider-fallback", { device: this.#device, provider, reason }, line);
	}

	training(event: DeviceEvent): void {
		// The link tells of itself already.
		if (isLinkEvent(event)) return;
		if (event.type === "round") {
			const { task, pass, first, passSteps } = event;
			// One bar for the legs of a pass.
			if (task === "validate" || task === "code" || pass !== this.#pass) this.stop();
			if ((task === "train" || task === "local") && passSteps > 0)
				this.#bar ??= this.#output.progress(`round ${pass}`, passSteps);
			this.#pass = pass;
			this.#first = first;
		}
		if (event.type === "step") this.#bar?.update(this.#first + event.seq + 1, stepNote(event.losses));
		if ((event.type === "trained" && event.passDone) || event.type === "end") this.stop();
		this.#output.event(event.type, { device: this.#device, ...plain(event) }, trainingLine(this.#device, event));
	}

	stop(): void {
		this.#bar?.stop();
		this.#bar = undefined;
	}
}

/** An event as JSON takes it: errors by their code and message. */
function plain(event: DeviceEvent): Readonly<Record<string, unknown>> {
	const { type: _, ...fields } = event;
	if ((event.type === "left-out" || event.type === "paused") && event.error !== undefined) {
		const { code, what, got } = event.error;
		return { ...fields, error: undefined, code, what, got };
	}
	if (event.type === "rejected") return { code: event.error.code, what: event.error.what };
	if (event.type === "handler-failed") return { topic: event.topic, what: String(event.error) };
	return fields;
}

function isLinkEvent(event: DeviceEvent): event is TransportEvent {
	return ["online", "offline", "retry", "handler-failed"].includes(event.type);
}

function linkLine(device: string, event: TransportEvent): string {
	switch (event.type) {
		case "online":
			return `${device}: connected`;
		case "offline":
			return `${device}: connection lost: ${event.reason}`;
		case "retry":
			return `${device}: ${retryLine(event)}`;
		case "handler-failed":
			return `${device}: a message could not be handled: ${String(event.error)}`;
	}
}

/** The reason once, then only how it goes on. */
export function retryLine(event: Extract<TransportEvent, { type: "retry" }>): string {
	const next = `attempt ${event.attempt + 1} in ${formatSeconds(event.delayMs / 1000)}`;
	return event.attempt === 1 ? `${event.reason}; ${next}` : `no connection yet; ${next}`;
}

function modelLine(device: string, { artifact, state, code, what }: ModelReport): string {
	const model = `model ${artifact.slice(0, 12)}`;
	switch (state) {
		case "trial":
			return `${device}: ${model} passed its check and is on trial`;
		case "confirmed":
			return `${device}: ${model} has proved itself`;
		case "rejected":
			return `${device}: ${model} failed its check and is not used: ${code}: ${what}`;
		case "rolled-back":
			return `${device}: ${model} failed, back to the one before it: ${code}: ${what}`;
	}
}

/** Undefined for what only programs want to know. */
function trainingLine(device: string, event: Exclude<DeviceEvent, TransportEvent>): string | undefined {
	switch (event.type) {
		case "artifact":
			return `${device}: has model ${event.name}, version ${event.version}`;
		case "restored":
			return `${device}: goes on in round ${event.epoch} after ${event.seq} batches`;
		case "trained":
			return event.passDone
				? `${device}: round ${event.pass} done, local loss ${event.localLoss?.toFixed(3) ?? "-"}`
				: undefined;
		case "asked-again":
			return `${device}: asked for ${event.awaiting} again`;
		case "suspicious-gradients":
			return `${device}: WARNING: the aggregator's gradients have nothing to do with the labels (separation ${event.separation.toFixed(2)}): is it being hijacked? docs/privacy.md`;
		case "rejected":
			return `${device}: a message was rejected: ${event.error.code}: ${event.error.message}`;
		case "refused":
			return `${device}: the aggregator refused a message: ${event.refusal.code}: ${event.refusal.what}`;
		case "left-out":
			return `${device}: ${event.error.message}`;
		case "paused":
			return `${device}: does not train for now: ${event.reasons.map((reason) => pauseReasons[reason]).join(", ")}${event.error === undefined ? "" : `: ${event.error.message}`}`;
		case "configured":
			return `${device}: settings of version ${event.version} are in force${Object.entries(event.errors)
				.map(([key, why]) => `; not ${key}: ${why}`)
				.join("")}`;
		case "resumed":
			return `${device}: may train again`;
		case "batch-shrunk":
			return event.epoch > 1
				? undefined
				: `${device}: trains on ${event.samples} of ${event.batchSize} samples a batch, as its memory allows`;
		case "coded":
			return `${device}: sent its codes`;
		case "end":
			return `${device}: training is over (${event.reason})`;
		case "welcome":
		case "round":
		case "step":
		case "validated":
			return undefined;
	}
}

const pauseReasons: Readonly<Record<PauseReason, string>> = {
	temperature: "too hot",
	storage: "its state cannot be written",
	battery: "on battery",
	hours: "not within its hours",
};

function stepNote(losses: Readonly<Record<string, number>>): string {
	return Object.entries(losses)
		.map(([stream, loss]) => `${stream} ${loss.toFixed(3)}`)
		.join(" ");
}
