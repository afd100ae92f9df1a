/** What a device came to in a leg of a round. */
export interface LegPart {
	readonly device: string;
	/** Batches of it that took effect. */
	readonly applied: number;
	/** Its weights arrived. */
	readonly returned: boolean;
	/** Times a step did not wait for it. */
	readonly leftBehind: number;
}

/** What learns while a fleet is simulated: really, or not at all. */
export interface FleetLearner {
	/** What it learns on, for people. */
	readonly description: string;
	/** Learns from what the devices of a leg sent. */
	leg(round: number, parts: readonly LegPart[]): Promise<void>;
	/** Share of decisions that are right on samples no device has. */
	accuracy(): Promise<number>;
}
