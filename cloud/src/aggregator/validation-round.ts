import { PsglError } from "@psgl/sdk";
import {
	type EvaluateMessage,
	type FiguresMessage,
	type ForwardMessage,
	type MessageIdentity,
	refuse,
} from "@psgl/sdk/protocol";
import type { AggregatorContext } from "./context.js";
import type { Validation } from "./events.js";
import { measureDecisions } from "./measure-decisions.js";
import { pooledFigures } from "./pooled-figures.js";
import { batchMissing, labelsMisplaced, roundOver } from "./refusals.js";
import type { Reservoir } from "./reservoir.js";
import type { RosterDevice } from "./roster.js";
import { sendRound, type VersionedWeights } from "./round-message.js";
import type { ServerWeights } from "./server-segment.js";

interface Validator {
	readonly device: RosterDevice;
	/** Batch that may come next. */
	next: number;
	readonly scores: Float32Array[];
	/** Class indices, or marks row by row where several labels may apply to a sample. */
	readonly labels: number[];
	/** What a device tells whose labels stay on it. */
	figures: FiguresMessage | undefined;
	done: boolean;
}

export interface ValidationRoundOptions {
	readonly context: AggregatorContext;
	readonly epoch: number;
	readonly weights: VersionedWeights;
	readonly server: ServerWeights;
	readonly devices: readonly RosterDevice[];
	/** Keeps complete smashed data for the masked prior; undefined where there is none. */
	readonly reservoir: Reservoir | undefined;
}

/**
 * Gives every device the new weights and measures them on the devices' validation samples. A device that sends nothing
 * for `stepTimeoutMs` is left out.
 */
export class ValidationRound {
	readonly task = "validate";
	readonly epoch: number;
	readonly #options: ValidationRoundOptions;
	readonly #validators: ReadonlyMap<string, Validator>;

	constructor(options: ValidationRoundOptions) {
		this.epoch = options.epoch;
		this.#options = options;
		this.#validators = new Map(
			options.devices.map((device) => {
				const done = device.hello.samples.validation === 0;
				return [device.id, { device, next: 0, scores: [], labels: [], figures: undefined, done }];
			}),
		);
	}

	/** Metrics of every stream and the decision; undefined when no device validated. */
	async run(): Promise<Validation | undefined> {
		const { context, devices } = this.#options;
		for (const device of devices) this.#start(device, false);
		const validators = [...this.#validators.values()];
		const progress = () => validators.reduce((sum, v) => sum + v.next, 0);
		let seen = -1;
		let deadline = 0;
		while (!context.stopping.aborted && validators.some((v) => !v.done)) {
			if (progress() !== seen) {
				seen = progress();
				deadline = context.clock.now() + context.settings.stepTimeoutMs;
			}
			if (await context.changed.wait(deadline)) continue;
			for (const { device, done } of validators) {
				if (!done) context.emit({ type: "left-behind", round: this.epoch, device: device.id });
			}
			break;
		}
		if (context.manifest.tail !== null) return pooledFigures(validators.flatMap(({ figures }) => figures ?? []));
		const chunks = validators.flatMap((v) => v.scores);
		return measureDecisions(
			context.manifest,
			chunks,
			validators.flatMap((v) => v.labels),
		);
	}

	async onEvaluate(message: EvaluateMessage): Promise<void> {
		const { context, server, reservoir } = this.#options;
		const { device, epoch, seq, tensors } = message;
		const validator = this.#validators.get(device);
		const received = () => context.downlink.send({ type: "received", device, of: "evaluate", epoch, seq });
		const refused = (error: PsglError, retry: boolean) => {
			context.emit({ type: "refused", device, code: error.code, reason: error.what });
			context.downlink.send(refuse(device, error, { type: "evaluate", epoch, seq }, retry));
		};
		if (validator === undefined || epoch !== this.epoch) return refused(roundOver(epoch), false);
		if (seq > validator.next) return refused(batchMissing(epoch, seq), true);
		if (seq < validator.next) {
			received();
			return;
		}
		try {
			if (tensors !== undefined) {
				if (context.manifest.tail !== null) throw labelsMisplaced(true);
				const smashed = await context.server.decode(tensors.smashed);
				const labels = context.server.labels(tensors.labels);
				const scores = await context.decisions.score(server, smashed, { alone: true });
				validator.scores.push(scores.data);
				for (const label of labels.data) validator.labels.push(Number(label));
				reservoir?.add(device, smashed);
			}
			validator.next++;
			validator.done = message.last;
			received();
		} catch (error) {
			if (!(error instanceof PsglError)) throw error;
			refused(error, false);
			validator.done = true;
		}
		context.changed.notify();
	}

	/** A batch whose labels stay on the device: its features go back. Sent again it has no effect twice. */
	async onForward({ device, epoch, seq, model, tensors }: ForwardMessage): Promise<void> {
		const { context, server, reservoir } = this.#options;
		const validator = this.#validators.get(device);
		const about = { type: "forward", epoch, seq } as const;
		if (validator === undefined || validator.done || epoch !== this.epoch) {
			this.#refuse(device, roundOver(epoch), about);
			return;
		}
		try {
			if (context.manifest.tail === null) throw labelsMisplaced(false);
			const smashed = await context.server.decode(tensors.smashed);
			const features = await context.decisions.score(server, smashed, { alone: true });
			context.downlink.send({ type: "features", task: "validate", device, epoch, seq, model, tensors: { features } });
			// A device leaves out numbers of batches of which it may release nothing.
			if (seq >= validator.next) reservoir?.add(device, smashed);
			validator.next = Math.max(validator.next, seq + 1);
		} catch (error) {
			if (!(error instanceof PsglError)) throw error;
			this.#refuse(device, error, about);
			validator.done = true;
		}
		context.changed.notify();
	}

	/** What a device whose labels stay on it tells at the end. */
	onFigures(message: FiguresMessage): void {
		const { context } = this.#options;
		const { device, epoch } = message;
		const validator = this.#validators.get(device);
		if (validator === undefined || epoch !== this.epoch) {
			this.#refuse(device, roundOver(epoch), { type: "figures", epoch });
			return;
		}
		validator.figures ??= message;
		validator.done = true;
		context.downlink.send({ type: "received", device, of: "figures", epoch, seq: 0 });
		context.changed.notify();
	}

	#refuse(device: string, error: PsglError, about: MessageIdentity): void {
		const { context } = this.#options;
		context.emit({ type: "refused", device, code: error.code, reason: error.what });
		context.downlink.send(refuse(device, error, about, false));
	}

	/** A device left, or forgot what it was doing. */
	onGone(device: string): void {
		const validator = this.#validators.get(device);
		if (validator !== undefined) validator.done = true;
		this.#options.context.changed.notify();
	}

	/** A device asks for the round again. */
	resend(device: RosterDevice): void {
		const validator = this.#validators.get(device.id);
		if (validator !== undefined && !(validator.done && device.hello.samples.validation > 0)) this.#start(device, true);
	}

	#start(device: RosterDevice, withWeights: boolean): void {
		const { context, epoch, weights } = this.#options;
		sendRound(context, device, { epoch, task: "validate", learningRate: 0, weights, withWeights });
	}
}
