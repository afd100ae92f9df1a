/** What a kind of device computes, holds and draws. */
export interface DeviceProfile {
	readonly title: string;
	readonly cores: number;
	readonly memoryMegabytes: number;
	/** How many times longer a training step takes than on the machine of the calibration, on one core. */
	readonly computeFactor: number;
	/** Watts while it waits. */
	readonly idleWatts: number;
	/** Watts while one core computes. */
	readonly busyWatts: number;
	/** Milliseconds from power to the first attempt to connect. */
	readonly bootMs: number;
	/** Where the figures come from; what is not named there is assumed. */
	readonly source: string;
}

/**
 * Single-precision operations of one core in a nanosecond at most: clock times operations a cycle. The calibration's machine is a
 * server core with AVX2 at 2.6 GHz.
 */
const peak = (gigahertz: number, operationsPerCycle: number): number => gigahertz * operationsPerCycle;
const reference = peak(2.6, 32);
const slower = (gigahertz: number, operationsPerCycle: number): number =>
	Number((reference / peak(gigahertz, operationsPerCycle)).toFixed(2));

const factorSource =
	"assumption: compute factor, the reference core's peak over this one's (clock x float32 operations a cycle); ";

/** Kinds of devices that scenarios name. No board was measured: docs/fleet.md has the sources and what is assumed. */
export const deviceProfiles = {
	"pi-zero-2w": {
		title: "Raspberry Pi Zero 2 W",
		cores: 4,
		memoryMegabytes: 512,
		computeFactor: slower(1.0, 8),
		idleWatts: 0.6,
		busyWatts: 1.3,
		bootMs: 35_000,
		source: `${factorSource}cores and memory: product brief; assumption: power, boot time`,
	},
	"pi-3": {
		title: "Raspberry Pi 3 Model B",
		cores: 4,
		memoryMegabytes: 1024,
		computeFactor: slower(1.2, 8),
		idleWatts: 1.4,
		busyWatts: 2.0,
		bootMs: 30_000,
		source: `${factorSource}cores and memory: product brief; idle power, and full load of 3.7 W on four cores: Geerling, Pi Dramble, "Power Consumption Benchmarks"; assumption: a quarter of the difference for one core, boot time`,
	},
	"pi-4": {
		title: "Raspberry Pi 4 Model B",
		cores: 4,
		memoryMegabytes: 4096,
		computeFactor: slower(1.5, 8),
		idleWatts: 2.7,
		busyWatts: 3.6,
		bootMs: 25_000,
		source: `${factorSource}cores and memory: product brief; idle power, and full load of 6.4 W on four cores: Geerling, Pi Dramble, "Power Consumption Benchmarks"; assumption: a quarter of the difference for one core, boot time`,
	},
	"pi-5": {
		title: "Raspberry Pi 5",
		cores: 4,
		memoryMegabytes: 8192,
		computeFactor: slower(2.4, 16),
		idleWatts: 2.7,
		busyWatts: 4.2,
		bootMs: 20_000,
		source: `${factorSource}cores and memory: product brief; assumption: power, boot time`,
	},
	"jetson-nano": {
		title: "NVIDIA Jetson Nano",
		cores: 4,
		memoryMegabytes: 4096,
		computeFactor: slower(1.43, 8),
		idleWatts: 1.5,
		busyWatts: 5,
		bootMs: 40_000,
		source: `${factorSource}cores, memory and the 5 W power mode: module data sheet; assumption: idle power, boot time. Computes on the CPU, as psgl does`,
	},
	"orin-nano": {
		title: "NVIDIA Jetson Orin Nano",
		cores: 6,
		memoryMegabytes: 8192,
		computeFactor: slower(1.5, 16),
		idleWatts: 4,
		busyWatts: 7,
		bootMs: 40_000,
		source: `${factorSource}cores, memory and the 7 W power mode: module data sheet; assumption: idle power, boot time. Computes on the CPU, as psgl does`,
	},
	"phone-browser": {
		title: "phone, in its browser",
		cores: 8,
		memoryMegabytes: 4096,
		computeFactor: slower(2.0, 8),
		idleWatts: 0.8,
		busyWatts: 2.5,
		bootMs: 5_000,
		source: `${factorSource}assumption: everything, after a middle-class phone with 128 bits of WebAssembly SIMD; boot time is opening the page`,
	},
} as const satisfies Readonly<Record<string, DeviceProfile>>;

export type DeviceProfileName = keyof typeof deviceProfiles;

export const deviceProfileNames = Object.keys(deviceProfiles) as [DeviceProfileName, ...DeviceProfileName[]];
