import { elementCount } from "@psgl/sdk";
import type { LayoutEntry } from "./parameter-layout.js";

/** Neighbouring tensors of a segment, as one stretch of its flat vector. */
export interface VectorPiece {
	/** Where it starts in the segment's flat vector. */
	readonly offset: number;
	readonly length: number;
	readonly entries: readonly LayoutEntry[];
	readonly frozen: boolean;
}

/**
 * A segment's tensors in pieces: neighbours together as far as all are trained, or all frozen, and one of at least
 * `large` numbers alone.
 */
export function vectorPieces(
	entries: readonly LayoutEntry[],
	isFrozen: (entry: LayoutEntry) => boolean,
	large = Number.POSITIVE_INFINITY,
): readonly VectorPiece[] {
	const pieces: VectorPiece[] = [];
	let open = false;
	for (const entry of entries) {
		const length = elementCount(entry.shape);
		const frozen = isFrozen(entry);
		const alone = length >= large;
		const last = pieces.at(-1);
		if (open && !alone && last?.frozen === frozen) {
			pieces[pieces.length - 1] = { ...last, length: last.length + length, entries: [...last.entries, entry] };
		} else pieces.push({ offset: entry.offset, length, entries: [entry], frozen });
		open = !alone;
	}
	return pieces;
}
