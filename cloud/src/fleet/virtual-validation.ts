import type { DownlinkMessage, EventQueue, Scheduled, UplinkMessage } from "@psgl/firmware-sim";
import type { RosterDevice } from "../aggregator/roster.js";

export interface VirtualValidationOptions {
	readonly queue: EventQueue;
	readonly epoch: number;
	/** Version of the weights that are measured. */
	readonly model: number;
	readonly devices: readonly RosterDevice[];
	/** A device that sends nothing for so long is left out. */
	readonly timeoutMs: number;
	readonly send: (device: string, message: DownlinkMessage) => void;
	readonly onEnd: () => Promise<void>;
}

/** The end of a round in virtual time, as `ValidationRound` has it: every device gets the new weights and sends its validation samples once. */
export class VirtualValidation {
	readonly #options: VirtualValidationOptions;
	readonly #missing: Map<string, RosterDevice>;
	#deadline: Scheduled | undefined;
	#over = false;

	constructor(options: VirtualValidationOptions) {
		this.#options = options;
		this.#missing = new Map(options.devices.map((device) => [device.id, device]));
	}

	start(): void {
		for (const device of this.#missing.values()) this.#tell(device, false);
		this.#progress();
	}

	resend(device: string): void {
		const missing = this.#missing.get(device);
		if (missing !== undefined) this.#tell(missing, true);
	}

	/** False when it is not wanted. */
	onEvaluate({ device, epoch }: Extract<UplinkMessage, { type: "evaluate" }>): boolean {
		if (epoch !== this.#options.epoch) return false;
		this.#options.send(device, { type: "received", of: "evaluate", epoch });
		if (this.#missing.delete(device)) this.#progress();
		return true;
	}

	gone(device: string): void {
		if (this.#missing.delete(device)) this.#progress();
	}

	/** Who is on line makes no difference here. */
	changed(): void {}

	#progress(): void {
		if (this.#over) return;
		this.#deadline?.cancel();
		const { queue, timeoutMs, onEnd } = this.#options;
		const wait = this.#missing.size === 0 ? 0 : timeoutMs;
		this.#deadline = queue.after(wait, () => {
			this.#over = true;
			return onEnd();
		});
	}

	#tell(device: RosterDevice, withWeights: boolean): void {
		const { epoch, model, send } = this.#options;
		const brings = withWeights || device.holds !== model;
		send(device.id, { type: "round", task: "validate", epoch, first: 0, steps: 0, credit: 0, withWeights: brings });
		device.holds = model;
	}
}
