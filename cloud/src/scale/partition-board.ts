import { z } from "zod";
import { deviceFigures } from "../operations/board/device-board.js";
import { roundFigures, runState, stepFigures } from "../operations/board/run-board.js";
import { logFigures } from "../operations/board/storage-figures.js";

const count = z.int().min(0);

/** How a partition stands, as its owner writes it into the store. */
export const partitionFacts = z.strictObject({
	/** Of the owner's lease. */
	epoch: count,
	at: z.iso.datetime(),
	state: runState,
	endReason: z.string().nullable(),
	devicesNeeded: count,
	roundsPlanned: count,
	round: count,
	/** Version of the weights. */
	model: count,
	settings: z.record(z.string(), z.unknown()),
	log: logFigures,
	steps: z.array(stepFigures),
	/** Pages there are of rounds and devices: what lies behind them is an earlier owner's. */
	roundPages: count,
	devicePages: count,
});

export type PartitionFacts = z.infer<typeof partitionFacts>;

/** Entries of a partition's board: its facts, and rounds and devices in pages that change one by one. */
export const boardEntries = {
	facts: partitionFacts,
	rounds: z.array(roundFigures),
	devices: z.array(deviceFigures),
} as const;

/** Key of an entry: `p3.facts`, `p3.devices.0`. */
export function boardKey(partition: number, kind: keyof typeof boardEntries, page?: number): string {
	return `p${partition}.${kind}${page === undefined ? "" : `.${page}`}`;
}

/** What a key is of; undefined when it is no entry of a board. */
export function parseBoardKey(
	key: string,
): { readonly partition: number; readonly kind: keyof typeof boardEntries; readonly page: number } | undefined {
	const [, partition, kind, page = "0"] = /^p(\d{1,4})\.(facts|rounds|devices)(?:\.(\d{1,4}))?$/.exec(key) ?? [];
	if (kind === undefined) return undefined;
	return { partition: Number(partition), kind: kind as keyof typeof boardEntries, page: Number(page) };
}

/** Cuts a list into pages. */
export function pagesOf<T>(list: readonly T[], size: number): readonly (readonly T[])[] {
	return Array.from({ length: Math.ceil(list.length / size) }, (_, i) => list.slice(i * size, (i + 1) * size));
}
