import { deviceProfiles } from "../scenario/device-profiles.js";
import type { FleetDevice } from "../scenario/expand-fleet.js";
import { EnergyMeter } from "./energy-meter.js";
import type { Scheduled } from "./event-queue.js";
import type { GroupTotals } from "./fleet-recorder.js";
import { HostileHabit } from "./hostile-habit.js";
import { VirtualConnection } from "./virtual-connection.js";
import { VirtualTrainer } from "./virtual-trainer.js";
import type { VirtualWorld } from "./virtual-world.js";

const hourMs = 3_600_000;
const weekMs = 168 * hourMs;

/** Milliseconds without power after a loss of it, on average. */
const powerLossMs = 600_000;

/** Milliseconds until a failed installation is tried again. */
const updateRetryMs = hourMs;

/** A new firmware on its way to a device. */
interface Download {
	readonly version: number;
	readonly failures: number;
	restBytes: number;
}

/** One device in virtual time: its power, its battery, its restarts and updates; connection and training are parts of it. */
export class VirtualDevice {
	readonly device: FleetDevice;
	readonly connection: VirtualConnection;
	readonly energy: EnergyMeter;
	/** Version of the firmware it runs. */
	firmware = 0;
	readonly #world: VirtualWorld;
	readonly #totals: GroupTotals;
	readonly #trainer: VirtualTrainer;
	readonly #habit: HostileHabit | undefined;
	#powered = false;
	/** Tells runs of the device apart. */
	#run = 0;
	#batteryCheck: Scheduled | undefined;
	#download: Download | undefined;

	constructor(world: VirtualWorld, device: FleetDevice) {
		const { group } = device;
		this.#world = world;
		this.device = device;
		this.#totals = world.recorder.group(group.name);
		this.#totals.devices++;
		this.energy = new EnergyMeter(deviceProfiles[group.profile], group.battery?.wattHours);
		this.connection = new VirtualConnection(world, device, this.energy, this.#totals, {
			onOpen: () => {
				this.#trainer.onOpen();
				this.#continueDownload();
			},
			onMessage: (message) => this.#trainer.onMessage(message),
		});
		this.#trainer = new VirtualTrainer(world, device, this.connection, this.energy, this.#totals);
		const { malicious } = device;
		if (malicious !== undefined && malicious !== "poison") {
			this.#habit = new HostileHabit(world, malicious, this.connection, this.#trainer, device.random.fork("habit"));
		}
	}

	/** Plans the device's life. */
	begin(): void {
		const { queue } = this.#world;
		const { group, firstOnMs } = this.device;
		queue.at(firstOnMs, () => {
			this.#switchOn();
			this.#planChurn();
		});
		this.#plan(group.rebootsPerWeek, () => this.#restart());
		this.#plan(group.powerLossesPerWeek, () => this.#losePower());
	}

	/** There is a new firmware. */
	offer(version: number, bytes: number, failures: number): void {
		this.#download = { version, failures, restBytes: bytes };
		this.#continueDownload();
	}

	/** Whether it is on line. */
	get isOnline(): boolean {
		return this.connection.isOpen;
	}

	/** Counts what is under way. */
	settle(): void {
		this.connection.settle();
	}

	#switchOn(): void {
		if (this.#powered) return;
		this.#powered = true;
		const { queue } = this.#world;
		const run = ++this.#run;
		this.energy.switchOn(queue.now);
		this.#watchBattery();
		queue.after(deviceProfiles[this.device.group.profile].bootMs, () => {
			if (run !== this.#run || !this.#powered) return;
			this.#trainer.start();
			this.connection.start();
			this.#habit?.start();
		});
	}

	#switchOff(inOrder: boolean): void {
		if (!this.#powered) return;
		this.#powered = false;
		this.#run++;
		this.#batteryCheck?.cancel();
		this.#habit?.stop();
		this.#trainer.stop();
		this.connection.stop(inOrder);
		this.energy.switchOff(this.#world.queue.now);
	}

	#restart(): void {
		if (!this.#powered) return;
		this.#totals.restarts++;
		this.#switchOff(true);
		this.#switchOn();
	}

	#losePower(): void {
		if (!this.#powered) return;
		this.#totals.powerLosses++;
		this.#switchOff(false);
		this.#world.queue.after(this.#exponential(powerLossMs), () => this.#switchOn());
	}

	#planChurn(): void {
		const { churn } = this.device.group;
		if (churn === undefined) return;
		const { queue } = this.#world;
		queue.after(this.#exponential(churn.onHours * hourMs), () => {
			this.#switchOff(true);
			queue.after(this.#exponential(churn.offHours * hourMs), () => {
				this.#switchOn();
				this.#planChurn();
			});
		});
	}

	/** Something that happens so often in a week, at random times. */
	#plan(perWeek: number, happen: () => void): void {
		if (perWeek === 0) return;
		this.#world.queue.after(this.#exponential(weekMs / perWeek), () => {
			happen();
			this.#plan(perWeek, happen);
		});
	}

	#exponential(mean: number): number {
		return -mean * Math.log(1 - this.device.random.uniform());
	}

	/** Looks again when a waiting device's battery would be empty; one that worked meanwhile has less. */
	#watchBattery(): void {
		const { battery } = this.device.group;
		if (battery === undefined) return;
		const { queue } = this.#world;
		const restMs = this.energy.restMs(queue.now);
		this.#batteryCheck = queue.after(Math.max(restMs, 1000), () => {
			if (this.energy.restMs(queue.now) > 1000) return this.#watchBattery();
			this.#switchOff(true);
			queue.after(battery.chargeHours * hourMs, () => {
				this.energy.charged();
				this.#switchOn();
			});
		});
	}

	/** Downloads as far as the connection goes, then installs and starts anew. */
	#continueDownload(): void {
		const download = this.#download;
		if (download === undefined || !this.connection.isOpen) return;
		const { queue } = this.#world;
		const from = queue.now;
		const run = this.#run;
		const ms = (1000 * download.restBytes) / this.connection.downloadBytes(0, 1000);
		const connection = this.connection.number;
		queue.after(ms, () => {
			if (this.#download !== download || connection !== this.connection.number || run !== this.#run) return;
			this.#totals.bytesDown += download.restBytes;
			this.#download = undefined;
			this.#install(download);
		});
		this.connection.onceClosed(() => {
			if (this.#download !== download) return;
			const done = Math.min(download.restBytes, this.connection.downloadBytes(from, queue.now));
			download.restBytes -= done;
			this.#totals.bytesDown += done;
		});
	}

	#install({ version, failures }: Download): void {
		const { recorder, queue } = this.#world;
		if (this.device.random.uniform() < failures) {
			recorder.failedUpdates++;
			this.#restart();
			queue.after(updateRetryMs, () => {
				if (this.firmware < version && this.#download === undefined) this.offer(version, 0, failures);
			});
			return;
		}
		recorder.updated++;
		this.firmware = version;
		this.#restart();
	}
}
