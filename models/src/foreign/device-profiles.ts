/** What a board computes and moves when it runs networks of this size, for estimates only (docs/models.md). */
export interface DeviceProfile {
	readonly name: string;
	/** Floating-point operations a second on all cores, a quarter of what the data sheet's cores could do at most. */
	readonly sustainedGflops: number;
	/** Bytes a second between cores and memory, in GB/s. */
	readonly memoryGigabytes: number;
}

/** Cores x GHz x operations a cycle (float32, fused multiply-add), a quarter of it; sources in docs/models.md. */
const sustained = (cores: number, gigahertz: number, perCycle: number): number => (cores * gigahertz * perCycle) / 4;

export const deviceProfiles: readonly DeviceProfile[] = [
	{ name: "Raspberry Pi 4", sustainedGflops: sustained(4, 1.5, 8), memoryGigabytes: 4 },
	{ name: "Raspberry Pi 5", sustainedGflops: sustained(4, 2.4, 16), memoryGigabytes: 8 },
	{ name: "Jetson Orin Nano", sustainedGflops: sustained(6, 1.5, 16), memoryGigabytes: 34 },
];
