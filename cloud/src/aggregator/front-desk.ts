import { PsglError } from "@psgl/sdk";
import {
	type ByeMessage,
	type DeviceMessage,
	type HelloMessage,
	type MessageIdentity,
	type Received,
	type ResumeMessage,
	refuse,
	type StatusMessage,
} from "@psgl/sdk/protocol";
import type { TwinStore } from "../twins/twin-store.js";
import { CodeRound } from "./code-round.js";
import type { AggregatorContext } from "./context.js";
import { type DecisionWeights, decide } from "./decisions.js";
import { type ClientArtifact, type Enrolled, enrol, sendArtifact } from "./enrolment.js";
import { batchMissing, helloFirst, otherModel, roundOver } from "./refusals.js";
import type { RosterDevice } from "./roster.js";
import { sendRound } from "./round-message.js";
import type { Entries } from "./run-record.js";
import { sendDesired } from "./send-desired.js";
import type { TrainedWeights } from "./trained-weights.js";
import type { Training } from "./training.js";
import { TrainingRound } from "./training-round.js";
import { deployedWeights } from "./training-state.js";
import type { UplinkHandler } from "./uplink.js";
import { ValidationRound } from "./validation-round.js";

export interface FrontDeskOptions {
	readonly context: AggregatorContext;
	readonly artifact: ClientArtifact;
	/** Longest payload the broker takes, bytes. */
	readonly maxMessageBytes: number;
	readonly training: Training;
	/** The artifact is a candidate that some devices get instead of the stable one, and may be taken back. */
	readonly staged: boolean;
	/** Weights that decisions are made with now. */
	readonly decisions: () => DecisionWeights;
	/** What training ended with; undefined while it runs. */
	readonly trained: () => TrainedWeights | undefined;
	/** The devices' twins; undefined where there are none. */
	readonly twins: TwinStore | undefined;
	/** A device left for good. */
	readonly onLeft: (device: string) => void;
}

/** Takes every message of every device to where it belongs. */
export class FrontDesk implements UplinkHandler {
	readonly #options: FrontDeskOptions;
	readonly #context: AggregatorContext;

	constructor(options: FrontDeskOptions) {
		this.#options = options;
		this.#context = options.context;
	}

	async onMessage(received: Received<DeviceMessage>, entries: Entries): Promise<void> {
		const { message } = received;
		const { type } = message;
		if (this.#context.history.isPast(entries.at(-1) as number)) return this.#onPast(message, entries);
		if (type === "hello") return this.#onHello(message);
		const device = this.#context.roster.get(message.device);
		if (device === undefined)
			return type === "bye" ? undefined : this.onUnreadable(message.device, helloFirst(type), message);
		this.#isBack(device);
		const { phase } = this.#options.training;
		switch (message.type) {
			case "batch":
				if (phase instanceof TrainingRound) await phase.onBatch(message, entries);
				else await this.#context.intake.take(message, entries);
				return;
			case "forward":
				if (message.task === "train") {
					if (phase instanceof TrainingRound) await phase.onBatch(message, entries);
					else await this.#context.intake.take(message, entries);
				} else if (phase instanceof ValidationRound) await phase.onForward(message);
				else this.onUnreadable(device.id, roundOver(message.epoch), message);
				return;
			case "backward":
				if (phase instanceof TrainingRound) phase.onBackward(message, entries);
				else this.#context.intake.askedFor(message);
				return;
			case "figures":
				if (phase instanceof ValidationRound) phase.onFigures(message);
				else this.onUnreadable(device.id, roundOver(message.epoch), message);
				return;
			case "evaluate":
				if (phase instanceof ValidationRound) await phase.onEvaluate(message);
				else this.onUnreadable(device.id, roundOver(message.epoch), message);
				return;
			case "codes":
				if (phase instanceof CodeRound) await phase.onCodes(message, entries);
				else this.onUnreadable(device.id, roundOver(message.epoch), message);
				return;
			case "weights":
				if (phase instanceof TrainingRound) await phase.onWeights(message, entries);
				else this.onUnreadable(device.id, roundOver(message.epoch), message);
				return;
			case "infer": {
				const { digest } = this.#options.artifact;
				const { artifact = digest } = message;
				if (artifact === digest) return decide(this.#context, { ...received, message }, this.#options.decisions());
				this.onUnreadable(device.id, otherModel(artifact, digest), message);
				return;
			}
			case "resume":
				return this.#onResume(device, message);
			case "health": {
				const { artifact, state, code, what: reason } = message;
				this.#context.emit({ type: "model-health", device: device.id, artifact, state, code, reason });
				return;
			}
			case "reported": {
				const { version, errors } = message;
				// A full disk must not end training: the device reports again at its next connection.
				await this.#options.twins?.reported(message).catch(({ message: reason }: Error) => {
					this.#context.emit({ type: "refused", device: device.id, code: "PSGL_TWIN_DAMAGED", reason });
				});
				this.#context.emit({ type: "twin", device: device.id, version, errors });
				return;
			}
			case "bye":
				return this.#onBye(message);
		}
	}

	/**
	 * A device that the process before this one knew, and whose connection somebody else's broker kept meanwhile, does not
	 * introduce itself again: that it says something shows that it is there.
	 */
	#isBack(device: RosterDevice): void {
		if (device.online || device.artifact !== undefined) return;
		device.online = true;
		this.#tell(device.id, "online");
	}

	/** What was in the log when this process started: devices wait for the answers to these, and ask for all others again. */
	async #onPast(message: DeviceMessage, entries: Entries): Promise<void> {
		const { phase } = this.#options.training;
		if (message.type === "codes" && phase instanceof CodeRound && phase.lacksCodes(message)) {
			await phase.onCodes(message, entries);
		}
		if (!(phase instanceof TrainingRound)) return;
		const isBatch = message.type === "batch" || (message.type === "forward" && message.task === "train");
		if (isBatch && this.#context.intake.isNew(message)) await phase.onBatch(message, entries);
		if (message.type === "backward" && phase.lacksGradient(message)) phase.onBackward(message, entries);
		if (message.type === "weights" && phase.lacksWeights(message)) await phase.onWeights(message, entries);
	}

	#onHello(hello: HelloMessage): void {
		const { roster, intake } = this.#context;
		const known = roster.get(hello.device) !== undefined;
		const enrolled = this.#enrol(hello);
		if (enrolled === undefined) return;
		sendDesired(this.#context, this.#options.twins, hello.device).catch(this.#context.fail);
		const { device, forgot } = enrolled;
		this.#context.telemetry.greeted(hello);
		if (forgot) {
			this.#options.training.phase?.onGone(device.id);
			intake.forget(device.id);
		}
		this.#bringUpToDate(device);
		this.#tell(device.id, known ? "online" : "joined");
	}

	/** New terms for a device that is there: this desk's model instead of the one it has. */
	invite({ hello }: RosterDevice): void {
		const enrolled = this.#enrol(hello);
		if (enrolled !== undefined) this.#bringUpToDate(enrolled.device);
	}

	#enrol(hello: HelloMessage): Enrolled | undefined {
		const { artifact, decisions, maxMessageBytes, staged } = this.#options;
		try {
			return enrol(this.#context, hello, { artifact, model: decisions().model, maxMessageBytes, staged });
		} catch (error) {
			if (!(error instanceof PsglError)) throw error;
			this.onUnreadable(hello.device, error, { type: "hello" });
			return undefined;
		}
	}

	/** What a device that just arrived has missed: the end of training, or weights it needs for decisions. */
	#bringUpToDate(device: RosterDevice): void {
		const { hello } = device;
		const { state } = this.#options.training;
		const trained = this.#options.trained();
		if (trained !== undefined) this.sendEnd(device, trained);
		else if (hello.samples.train === 0 && device.holds !== state.model) {
			const { model, client } = deployedWeights(state);
			const weights = { model, client };
			const start = { epoch: state.epoch, task: "validate", learningRate: 0, weights, withWeights: true } as const;
			sendRound(this.#context, device, start);
		}
	}

	#onResume(device: RosterDevice, { awaiting, epoch, seq }: ResumeMessage): void {
		const trained = this.#options.trained();
		switch (awaiting) {
			case "artifact":
				sendArtifact(this.#context, device.id, this.#options.artifact);
				return;
			case "round":
				if (trained !== undefined) this.sendEnd(device, trained, true);
				else this.#options.training.phase?.resend(device);
				return;
			case "credit":
				this.#context.intake.askedForCredit(device.id, epoch);
				return;
			case "features":
				// Sent again, a validation batch gets its features.
				if (this.#options.training.phase instanceof ValidationRound) this.#askToSendAgain(device.id, epoch, seq);
				else this.#context.intake.askedForFeatures({ device: device.id, epoch, seq });
				return;
			case "gradient":
				this.#context.intake.askedFor({ device: device.id, epoch, seq });
				return;
			case "received":
				// Sent again, the message gets its answer: it has no effect twice.
				this.#askToSendAgain(device.id, epoch, seq);
				return;
			case "scores":
				return;
		}
	}

	#askToSendAgain(device: string, epoch: number, seq: number): void {
		this.#context.downlink.send({ ...refuse(device, batchMissing(epoch, seq), undefined, true), epoch, seq });
	}

	#onBye({ device }: ByeMessage): void {
		const { roster, intake } = this.#context;
		this.#options.training.phase?.onGone(device);
		roster.remove(device);
		intake.forget(device);
		this.#options.onLeft(device);
		this.#tell(device, "left");
	}

	onStatus(id: string, { state, disclosure, localAccuracy, paused = [] }: StatusMessage): void {
		const { roster } = this.#context;
		const device = roster.get(id);
		if (device === undefined) return;
		roster.told(device, disclosure?.releases);
		if (paused.join() !== device.paused.join()) {
			device.paused = paused;
			this.#context.emit({ type: "device-paused", device: id, reasons: paused });
		}
		if (disclosure !== undefined) this.#context.telemetry.disclosed(id, disclosure);
		if (localAccuracy !== undefined) this.#context.telemetry.validated(id, localAccuracy);
		const online = state === "online";
		if (device.online === online) return;
		device.online = online;
		this.#tell(id, state);
	}

	sendEnd(device: RosterDevice, { reason, model, client }: TrainedWeights, withWeights = false): void {
		const { epoch } = this.#options.training.state;
		const tensors = withWeights || device.holds !== model ? client : undefined;
		this.#context.downlink.send({ type: "end", device: device.id, reason, epoch, model, tensors });
		device.holds = model;
	}

	/** A device came, went or left: whoever waits for devices looks again. */
	#tell(device: string, state: "joined" | "online" | "offline" | "left"): void {
		const { roster, changed, emit } = this.#context;
		emit({ type: "device", device, state, devicesOnline: roster.onlineCount });
		changed.notify();
	}

	onUnreadable(device: string, error: PsglError, about: MessageIdentity | undefined): void {
		this.#context.emit({ type: "refused", device, code: error.code, reason: error.what });
		this.#context.downlink.send(refuse(device, error, about));
	}
}
