import { z } from "zod";
import { runState } from "./run-board.js";

const count = z.int().min(0);

/** State of a log. */
export const logFigures = z.strictObject({
	name: z.string(),
	durable: z.boolean().describe("whether entries outlive the process"),
	start: count.describe("first position that is kept"),
	openedAt: count.describe("where this process went on"),
	end: count.describe("position the next entry will have"),
});

export type LogFigures = Readonly<z.infer<typeof logFigures>>;

/** State of logs and checkpoints. */
export const storageFigures = z.strictObject({
	logs: z.array(logFigures).describe("one for each partition"),
	checkpoints: z
		.array(z.strictObject({ file: z.string(), bytes: count, at: z.iso.datetime().nullable() }))
		.describe("newest first; a store does not tell when"),
});

export type StorageFigures = z.infer<typeof storageFigures>;

/** A part of a run that lies on a store. */
export const partitionFigures = z.strictObject({
	partition: count,
	state: runState,
	round: count.describe("rounds finished"),
	devicesOnline: count,
	owner: count.describe("epoch of the lease of the aggregator that has it, or had it last"),
	heardAt: z.iso.datetime().describe("when it told of itself last"),
});

export type PartitionFigures = Readonly<z.infer<typeof partitionFigures>>;
