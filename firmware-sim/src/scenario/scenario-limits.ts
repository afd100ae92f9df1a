/** Bounds of scenarios (docs/limits.md). */
export const scenarioLimits = {
	/** Simulated hours: eight weeks. */
	maxHours: 1344,
	/** Devices of a scenario, as many as one aggregator knows at a time. */
	maxDevices: 16_384,
	/** Devices of a scenario over real MQTT: each is a whole device in this process. */
	maxRealDevices: 256,
	/** Length of a scenario file, bytes. */
	maxFileBytes: 262_144,
} as const;
