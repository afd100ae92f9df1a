import { batchesPerPass } from "@psgl/sdk";
import type { FleetDevice } from "../scenario/expand-fleet.js";
import type { DownlinkMessage, UplinkMessage } from "./virtual-cloud.js";
import type { KeptKind } from "./virtual-world.js";

export type Round = Extract<DownlinkMessage, { type: "round" }>;

/** Where a device is in its round; it outlasts restarts, as with a store. */
export interface RoundPlace {
	readonly round: Round;
	/** Samples of each batch. */
	readonly batches: readonly number[];
	/** The batch that is next. */
	seq: number;
	/** Samples the device has trained on. */
	samples: number;
	/** Batches it may send in all. */
	credit: number;
	done: boolean;
}

/** The beginning of a round: its batches as the device's own rule cuts them (`batchesPerPass`). */
export function startOfRound(round: Round, { samples, validation }: FleetDevice, batchSize: number): RoundPlace {
	const count = batchesPerPass(samples, batchSize);
	const until = round.steps === 0 ? count : Math.min(count, round.first + round.steps);
	const batches =
		round.task === "validate"
			? [validation]
			: Array.from({ length: until - round.first }, (_, i) =>
					Math.min(batchSize, samples - (round.first + i) * batchSize),
				);
	return { round, batches, seq: 0, samples: 0, credit: round.credit, done: false };
}

/** Order of rounds: an epoch is trained first and validated then. */
export function placeOf({ epoch, task }: Round): number {
	return 2 * epoch + (task === "validate" ? 1 : 0);
}

/** What a device sends at a place of its round, and again under the same identity. */
export function messageAt(
	kind: KeptKind,
	device: string,
	{ round: { epoch }, batches, samples, seq: next }: RoundPlace,
	seq = next,
): Extract<UplinkMessage, { type: KeptKind }> {
	if (kind === "batch") return { type: kind, device, epoch, seq, samples: batches[seq] as number };
	return { type: kind, device, epoch, samples: kind === "weights" ? samples : (batches[0] as number) };
}
