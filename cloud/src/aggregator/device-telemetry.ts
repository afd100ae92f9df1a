import type { Clock } from "@psgl/sdk";
import type { DisclosureTotals, HelloMessage, PauseReason, StatusMessage } from "@psgl/sdk/protocol";
import { cloudLimits } from "../limits.js";
import type { Roster } from "./roster.js";

/** What a device's messages told of it, since this process started. */
export interface DeviceFigures {
	/** Payload bytes from it and to it. */
	readonly bytesUp: number;
	readonly bytesDown: number;
	/** When its last message was read, milliseconds since the Unix epoch; undefined when there was none. */
	readonly heardAtMs: number | undefined;
	/** Mean cross-entropy of its local head over its last leg; undefined when it told of none. */
	readonly localLoss: number | undefined;
	/** What its local head got right in its last validation; undefined when it told of none. */
	readonly localAccuracy: StatusMessage["localAccuracy"];
	/** Samples of its last leg. */
	readonly trainedSamples: number | undefined;
	/** What its disclosure ledger counts; undefined when it told of none. */
	readonly disclosure: DisclosureTotals | undefined;
}

/** A device the aggregator knows. */
export interface KnownDevice extends DeviceFigures {
	readonly id: string;
	/** `left`: it said good-bye. */
	readonly state: "online" | "offline" | "left";
	/** Software and version. */
	readonly agent: string;
	/** Labelled samples it holds. */
	readonly samples: { readonly train: number; readonly validation: number };
	/** Version of the weights it is known to hold; undefined while it trains on, or when in doubt. */
	readonly holds: number | undefined;
	/** SHA-256 (hex) of the client half it was told to use; undefined while it is not back since a restart. */
	readonly artifact: string | undefined;
	/** Why it does not take part at the moment. */
	readonly paused: readonly PauseReason[];
}

type Changing = { -readonly [K in keyof DeviceFigures]: DeviceFigures[K] } & { hello: HelloMessage | undefined };

/** Keeps the last figures of each device. */
export class DeviceTelemetry {
	readonly #clock: Clock;
	readonly #devices = new Map<string, Changing>();

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	/** Every device that said hello to this process or is in the roster, by id. */
	known(roster: Roster): readonly KnownDevice[] {
		const present = roster.all.map(({ id, online, hello, holds, artifact, paused }) => {
			const state: KnownDevice["state"] = online ? "online" : "offline";
			return { ...greeting(hello), state, holds, artifact, paused, ...figuresIn(this.#devices.get(id) ?? none()) };
		});
		const gone = [...this.#devices].flatMap(([id, figures]) => {
			const { hello } = figures;
			if (hello === undefined || roster.get(id) !== undefined) return [];
			const past = { state: "left", holds: undefined, artifact: undefined, paused: [] } as const;
			return { ...greeting(hello), ...past, ...figuresIn(figures) };
		});
		return [...present, ...gone].sort((a, b) => (a.id < b.id ? -1 : 1));
	}

	/** A device was let in. */
	greeted(hello: HelloMessage): void {
		this.#of(hello.device).hello = hello;
	}

	/** Payload bytes came from a device. */
	up(device: string, bytes: number): void {
		const figures = this.#of(device);
		figures.bytesUp += bytes;
		figures.heardAtMs = this.#clock.now();
	}

	/** Payload bytes went to a device. */
	down(device: string, bytes: number): void {
		this.#of(device).bytesDown += bytes;
	}

	/** A device ended a leg. */
	trained(device: string, samples: number, localLoss: number | undefined): void {
		Object.assign(this.#of(device), { trainedSamples: samples, localLoss });
	}

	/** A device ended a validation. */
	validated(device: string, localAccuracy: StatusMessage["localAccuracy"]): void {
		this.#of(device).localAccuracy = localAccuracy;
	}

	disclosed(device: string, disclosure: DisclosureTotals): void {
		this.#of(device).disclosure = disclosure;
	}

	#of(device: string): Changing {
		const known = this.#devices.get(device);
		if (known !== undefined) return known;
		const [first] = this.#devices.keys();
		if (this.#devices.size >= cloudLimits.maxDevices && first !== undefined) this.#devices.delete(first);
		const figures = none();
		this.#devices.set(device, figures);
		return figures;
	}
}

function greeting({ device, agent, samples }: HelloMessage) {
	return { id: device, agent, samples };
}

function figuresIn({ hello: _, ...figures }: Changing): DeviceFigures {
	return figures;
}

function none(): Changing {
	return {
		hello: undefined,
		bytesUp: 0,
		bytesDown: 0,
		heardAtMs: undefined,
		localLoss: undefined,
		localAccuracy: undefined,
		trainedSamples: undefined,
		disclosure: undefined,
	};
}
