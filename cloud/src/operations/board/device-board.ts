import { z } from "zod";
import type { KnownDevice } from "../../aggregator/device-telemetry.js";
import type { AggregatorEvent } from "../../aggregator/events.js";
import { cloudLimits as limits } from "../../limits.js";

const count = z.int().min(0);

/** What the aggregator knows of a device. */
export const deviceFigures = z.strictObject({
	id: z.string(),
	state: z.enum(["online", "offline", "left"]),
	agent: z.string().describe("software and version"),
	samples: z.strictObject({ train: count, validation: count }).describe("labelled samples it holds"),
	heardAt: z.iso.datetime().nullable().describe("when its last message was read"),
	weights: count.nullable().describe("version of the weights it holds; null while it trains on, or when in doubt"),
	weightsBehind: count.nullable().describe("versions it lags behind the current weights"),
	paused: z.array(z.string()).describe("why it does not take part at the moment: temperature, battery, hours, storage"),
	model: z
		.strictObject({
			digest: z.string(),
			state: z.enum(["in use", "sent", "trial", "confirmed", "rejected", "rolled-back"]),
		})
		.nullable()
		.describe("client half it was told to use, or told of last, and what is known of it there"),
	bytesUp: count.describe("payload bytes from it since the cloud started"),
	bytesDown: count,
	localLoss: z.number().nullable().describe("mean loss of its local head over its last leg"),
	localAccuracy: z
		.strictObject({ accuracy: z.number(), samples: count })
		.nullable()
		.describe("what its local head got right in its last validation, and of how many samples"),
	trainedSamples: count.nullable().describe("samples of its last leg"),
	leftBehind: count.describe("times a round went on without it"),
	disclosure: z
		.strictObject({
			records: count,
			releases: count,
			bits: z.number(),
			mostBits: z.number().describe("of the record of which most was released"),
			mostEpsilon: z.number(),
			budgetBits: z.number().nullable().describe("bits that may be released of one record; null: any number"),
			leftOut: count.describe("times a record was left out because its budget did not allow a release"),
		})
		.nullable()
		.describe("what its disclosure ledger counts; null when it told of none"),
	lastError: z
		.strictObject({ at: z.iso.datetime(), code: z.string(), what: z.string() })
		.nullable()
		.describe("the last message of it that was refused"),
});

export type DeviceFigures = Readonly<z.infer<typeof deviceFigures>>;

/** What events tell of a device, beside what the aggregator has. */
interface Told {
	leftBehind: number;
	model: DeviceFigures["model"];
	lastError: DeviceFigures["lastError"];
}

/** What events told of each device. */
export class DeviceBoard {
	readonly #told = new Map<string, Told>();

	/** Takes what an event tells of a device; whether it did. */
	event(event: AggregatorEvent, nowMs: number): boolean {
		switch (event.type) {
			case "device":
				return true;
			case "artifact-sent":
				this.#of(event.device).model = { digest: event.digest, state: "sent" };
				return true;
			case "model-health":
				this.#of(event.device).model = { digest: event.artifact, state: event.state };
				if (event.code !== undefined) this.#fault(event.device, event.code, event.reason ?? event.state, nowMs);
				return true;
			case "device-paused":
			case "twin":
				return true;
			case "left-behind":
				this.#of(event.device).leftBehind++;
				return true;
			case "refused":
				this.#fault(event.device, event.code, event.reason, nowMs);
				return true;
			default:
				return false;
		}
	}

	/**
	 * What is known of each device.
	 * @param known of the aggregator
	 * @param model current version of the weights
	 */
	list(known: readonly KnownDevice[], model: number): DeviceFigures[] {
		return known.map((device) => figuresOf(device, this.#told.get(device.id) ?? nothing(), model));
	}

	#fault(device: string, code: string, what: string, nowMs: number): void {
		this.#of(device).lastError = { at: new Date(nowMs).toISOString(), code, what };
	}

	#of(device: string): Told {
		const known = this.#told.get(device);
		if (known !== undefined) return known;
		const [first] = this.#told.keys();
		if (this.#told.size >= limits.maxDevices && first !== undefined) this.#told.delete(first);
		const told = nothing();
		this.#told.set(device, told);
		return told;
	}
}

function nothing(): Told {
	return { leftBehind: 0, model: null, lastError: null };
}

function figuresOf(device: KnownDevice, { leftBehind, model, lastError }: Told, weights: number): DeviceFigures {
	const { disclosure, holds, heardAtMs, trainedSamples, localLoss, localAccuracy } = device;
	return {
		id: device.id,
		state: device.state,
		agent: device.agent,
		samples: device.samples,
		heardAt: heardAtMs === undefined ? null : new Date(heardAtMs).toISOString(),
		weights: holds ?? null,
		weightsBehind: holds === undefined ? null : Math.max(0, weights - holds),
		paused: [...device.paused],
		// What it has from before was neither sent nor told of.
		model: model ?? (device.artifact === undefined ? null : { digest: device.artifact, state: "in use" }),
		bytesUp: device.bytesUp,
		bytesDown: device.bytesDown,
		localLoss: localLoss ?? null,
		localAccuracy: localAccuracy ?? null,
		trainedSamples: trainedSamples ?? null,
		leftBehind,
		disclosure: disclosure === undefined ? null : { ...disclosure, budgetBits: disclosure.budgetBits ?? null },
		lastError,
	};
}
