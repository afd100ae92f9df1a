import type { RoundFigures, RunState, StepFigures } from "./run-board.js";

/** What is shown of a run, wherever it is known from. */
export interface RunView {
	readonly state: RunState;
	/** Why training ended; undefined before. */
	readonly endReason: string | undefined;
	/** Devices that have to be there; 0 while nothing waits for them. */
	readonly devicesNeeded: number;
	/** Rounds the run is to have; 0 before the first. */
	readonly roundsPlanned: number;
	/** Finished rounds, in order. */
	readonly rounds: readonly RoundFigures[];
	/** The last steps, in order. */
	readonly steps: readonly StepFigures[];
}
