import {
	type ClientSegmentCache,
	type Clock,
	Device,
	type DeviceData,
	type DeviceEvent,
	deviceLastWill,
} from "@psgl/sdk";
import { type MemoryRecords, memoryDeviceStore } from "@psgl/sdk/store";
import { mqttTransport } from "@psgl/sdk/transport/mqtt";
import type { FleetDevice } from "../scenario/expand-fleet.js";
import { linkModels } from "../scenario/link-models.js";
import type { FleetRecorder } from "../virtual/fleet-recorder.js";
import { observedTransport } from "./observed-transport.js";
import { ShapedLink } from "./shaped-link.js";

export interface RealDeviceOptions {
	readonly device: FleetDevice;
	readonly data: DeviceData;
	/** Port of the broker on this machine. */
	readonly port: number;
	readonly segments: ClientSegmentCache;
	readonly clock: Clock;
	/** Scenario milliseconds in one real one. */
	readonly compression: number;
	readonly recorder: FleetRecorder;
	readonly onEvent: (event: DeviceEvent) => void;
	/** The device gave up; it is started again like after a restart. */
	readonly onFailed: (error: unknown) => void;
}

/** Scenario milliseconds between two hostile acts of a device. */
const hostileEveryMs = { flood: 6 * 3_600_000, replay: 600_000, garbage: 300_000 } as const;

/** A production `Device` on its own link, whose power comes and goes. What its store holds outlasts that, as on a disk. */
export class RealDevice {
	readonly device: FleetDevice;
	readonly #options: RealDeviceOptions;
	readonly #link: ShapedLink;
	readonly #records: MemoryRecords = new Map();
	#run: { readonly stop: AbortController; readonly done: Promise<void> } | undefined;
	#powered = false;
	#online = false;
	#onlineSince = 0;
	#runs = 0;

	private constructor(options: RealDeviceOptions, link: ShapedLink) {
		this.#options = options;
		this.device = options.device;
		this.#link = link;
	}

	static async create(options: RealDeviceOptions): Promise<RealDevice> {
		const { device, port, clock, compression, recorder } = options;
		const totals = recorder.group(device.group.name);
		totals.devices++;
		const link = await ShapedLink.start({
			port,
			model: linkModels[device.group.link],
			random: device.random.fork("link"),
			clock,
			compression,
			onBytes: (direction, bytes) => {
				if (direction === "up") totals.bytesUp += bytes;
				else totals.bytesDown += bytes;
			},
		});
		return new RealDevice(options, link);
	}

	get isOnline(): boolean {
		return this.#online;
	}

	get isRunning(): boolean {
		return this.#run !== undefined;
	}

	/** Power: the device's process starts. */
	start(): void {
		this.#powered = true;
		this.again();
	}

	/** The process starts again, if there is power. */
	again(): void {
		if (!this.#powered) return;
		if (this.#run !== undefined) return;
		const stop = new AbortController();
		const done = this.#live(stop.signal).finally(() => {
			this.#setOnline(false);
			this.#run = undefined;
		});
		this.#run = { stop, done };
	}

	/** @param inOrder false: the power is gone, and what was on its way with it */
	async stop(inOrder: boolean): Promise<void> {
		this.#powered = false;
		const run = this.#run;
		if (run === undefined) return;
		if (!inOrder) this.#link.kill();
		run.stop.abort();
		await run.done;
	}

	/** Counts what is under way. */
	settle(): void {
		if (!this.#online) return;
		this.#setOnline(false);
		this.#setOnline(true);
	}

	async close(): Promise<void> {
		await this.stop(true);
		await this.#link.close();
	}

	async #live(signal: AbortSignal): Promise<void> {
		const { device, data, segments, clock, onEvent, onFailed } = this.#options;
		const skewed = { ...clock, now: () => clock.now() + device.clockErrorMs };
		const random = device.random.fork(`run ${++this.#runs}`);
		try {
			const transport = this.#transport(skewed, random);
			transport.on((event) => {
				if (event.type === "online" || event.type === "offline") this.#setOnline(event.type === "online");
			});
			const options = { id: device.id, transport, segments, data, clock: skewed, random, signal };
			await using running = await Device.connect({ ...options, store: memoryDeviceStore(this.#records) });
			for await (const event of running.train({ signal })) onEvent(event);
		} catch (error) {
			if (!signal.aborted) onFailed(error);
		}
	}

	#transport(clock: Clock, random: FleetDevice["random"]) {
		const { device, compression, recorder } = this.#options;
		const { id, malicious } = device;
		const kind = malicious === "poison" ? undefined : malicious;
		const will = deviceLastWill(id, clock);
		const transport = mqttTransport({
			url: this.#link.url,
			clientId: id,
			lastWill: will,
			clock,
			random: random.fork("link"),
		});
		return observedTransport(transport, {
			clock,
			random: random.fork("hostile"),
			onLag: (ms) => recorder.lag(device.group.link, ms),
			hostile: kind,
			everyMs: kind === undefined ? 0 : hostileEveryMs[kind] / compression,
			onHostile: (count) => {
				recorder.hostileMessages += count;
			},
		});
	}

	#setOnline(online: boolean): void {
		if (online === this.#online) return;
		const { recorder, clock, compression, device } = this.#options;
		this.#online = online;
		recorder.online += online ? 1 : -1;
		if (online) this.#onlineSince = clock.now();
		else recorder.group(device.group.name).onlineMs += compression * (clock.now() - this.#onlineSince);
	}
}
