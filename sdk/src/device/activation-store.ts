import type { Tensor } from "../tensor.js";

export const activationLimits = {
	/** Bytes of activations that the devices of one client segment keep together. */
	maxActivationBytes: 67_108_864,
} as const;

/** Tensors by the names they have in the graphs. */
export type Activations = Readonly<Record<string, Tensor>>;

interface Kept {
	readonly activations: Activations;
	readonly samples: number;
	readonly bytes: number;
}

/**
 * Memory for what a forward pass computed and the backward pass of the same batch needs. It is bounded: of a fleet in one
 * process many batches are on the way at a time, and those there is no room for are computed again. What is given back is
 * written over by the next batch of the same size, because touching new memory costs more than computing into old.
 */
export class ActivationStore {
	/** Of batches on the way. */
	readonly #kept = new Map<Activations, Kept>();
	#spare: Kept[] = [];
	#bytesPerSample = 0;

	/** Whether the activations of one more batch can be expected to fit. */
	hasRoomFor(samples: number): boolean {
		return total(this.#kept.values()) + samples * this.#bytesPerSample <= activationLimits.maxActivationBytes;
	}

	/** Memory of an earlier batch of this size, the last that was given back as the processor may still have it at hand; the caller's from here on. */
	takeSpare(samples: number): Activations | undefined {
		const index = this.#spare.findLastIndex((spare) => spare.samples === samples);
		return index < 0 ? undefined : this.#spare.splice(index, 1)[0]?.activations;
	}

	/** Keeps the activations of a batch; false where they do not fit. */
	keep(activations: Activations, samples: number): boolean {
		const bytes = Object.values(activations).reduce((sum, { data }) => sum + data.byteLength, 0);
		this.#bytesPerSample = bytes / samples;
		if (total(this.#kept.values()) + bytes > activationLimits.maxActivationBytes) return false;
		this.#kept.set(activations, { activations, samples, bytes });
		return true;
	}

	/** Gives back what was kept. Again it has no effect. */
	release(activations: Activations): void {
		const kept = this.#kept.get(activations);
		if (kept === undefined) return;
		this.#kept.delete(activations);
		this.#spare.push(kept);
		const whole = total(this.#kept.values()) + total(this.#spare);
		if (whole > activationLimits.maxActivationBytes) this.#spare = [kept];
	}
}

function total(all: Iterable<Kept>): number {
	let sum = 0;
	for (const { bytes } of all) sum += bytes;
	return sum;
}
