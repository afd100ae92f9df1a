/** A piece of a flat vector. */
export interface VectorPart {
	readonly vector: string;
	/** Index of its first element. */
	readonly offset: number;
}

/**
 * Name of a graph's input or output that is a piece of a flat vector. A session takes and gives the whole vector and binds
 * the pieces in place, so that a graph need neither cut nor join vectors of many megabytes.
 */
export const vectorPartName = (vector: string, offset: number) => `${vector}@${offset}`;

/** The piece such a name stands for; undefined for other names. */
export function vectorPart(name: string): VectorPart | undefined {
	const match = /^(.+)@(\d+)$/.exec(name);
	return match === null ? undefined : { vector: match[1] as string, offset: Number(match[2]) };
}
