import type { ClientWeights, FlatTensor } from "./tensors.js";

/** Bits of a float32's fraction that are kept: a step of 1/512 of the value at most. */
const keptBits = 8;
const droppedBits = 23 - keptBits;
const droppedMask = 2 ** droppedBits - 1;
const exponentOfInfinity = 0x7f80_0000;

/**
 * Weights rounded to 8 bits of fraction, float32 as before: deflated they take half the bytes. For rounds in which little else travels.
 * Of a value whose rounding would overflow the bits are cut off.
 */
export function shortWeights({ params, stats, head }: ClientWeights): ClientWeights {
	return { params: short(params), stats: short(stats), head: short(head) };
}

/** Whether weights were shortened, so that deflating them pays. */
export function areShort(weights: ClientWeights): boolean {
	return [weights.params, weights.stats, weights.head].every(({ data }) =>
		new Uint32Array(data.buffer, data.byteOffset, data.length).every((bits) => (bits & droppedMask) === 0),
	);
}

function short(vector: FlatTensor): FlatTensor {
	const data = new Float32Array(vector.data);
	const bits = new Uint32Array(data.buffer);
	for (let i = 0; i < bits.length; i++) {
		const value = bits[i] as number;
		const nearest = value + 2 ** (droppedBits - 1);
		const overflows = (nearest & exponentOfInfinity) === exponentOfInfinity;
		bits[i] = ((overflows ? value : nearest) >>> droppedBits) << droppedBits;
	}
	return { ...vector, data };
}
