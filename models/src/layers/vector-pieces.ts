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

/** Most numbers of a row: those that a step of an optimiser goes through one after the other then stay near the processor. */
const mostInRow = 2 ** 17;
const fewestInRow = 2 ** 14;

/** Extents of a piece as a graph takes it: a large tensor in equal rows, everything else as one vector. */
export function pieceShape({ length, entries: [entry, ...others] }: VectorPiece): readonly number[] {
	if (length <= mostInRow || others.length > 0 || entry?.shape.length === 1) return [length];
	for (let rows = Math.ceil(length / mostInRow); rows <= length / fewestInRow; rows++) {
		if (length % rows === 0) return [rows, length / rows];
	}
	return [length];
}
