import type { RolloutCounts } from "./rollout-counts.js";
import type { DeviceStates, RolloutFacts } from "./rollout-state.js";

/** Facts of a roll-out as they were read or written. */
export interface KeptFacts {
	readonly facts: RolloutFacts;
	/** Above 0; another one after every change. */
	readonly revision: number;
}

/**
 * Where a fleet's staged roll-out is kept: facts that several processes may compare and set, the candidate, and what became of it on the devices of
 * each process's own part of the fleet.
 */
export interface RolloutStore {
	/** Undefined where there never was one. @throws DataError `PSGL_ROLLOUT_DAMAGED`, `PSGL_ROLLOUT_READ`. */
	read(): Promise<KeptFacts | undefined>;
	/**
	 * Puts facts in place of those at a revision; 0: of none. Returns undefined, and changes nothing, when others are there by now.
	 * @throws DataError `PSGL_ROLLOUT_WRITE`.
	 */
	replace(facts: RolloutFacts, revision: number): Promise<KeptFacts | undefined>;
	/** Keeps a joint artifact, before facts name it. @param artifact its digest. @throws DataError `PSGL_ROLLOUT_WRITE`. */
	writeCandidate(artifact: string, bytes: Uint8Array): Promise<void>;
	/** The joint artifact that facts name. @throws DataError `PSGL_ROLLOUT_READ`. */
	readCandidate(artifact: string): Promise<Uint8Array>;
	/** What became of this roll-out's candidate on this part's devices. */
	readDevices(id: string): Promise<DeviceStates>;
	/**
	 * Resolves when the devices of this part as they are now, or later, are kept. Changes that come while they are written are one write.
	 * @param now what is to be kept when the write begins
	 * @throws DataError `PSGL_ROLLOUT_WRITE`.
	 */
	writeDevices(id: string, now: () => DeviceStates): Promise<void>;
	/** Devices of the other parts of the fleet, as far as is known here; of the ones that failed, so many of each part are named (`failedNamed`). */
	elsewhere(id: string): RolloutCounts;
	/** Calls back when another process may have changed something, until disposed. */
	watch(onChange: () => void): Disposable;
}
