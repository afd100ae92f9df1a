import { elementCount, type Random, type Tensor } from "@psgl/sdk";
import type { Manifest } from "@psgl/sdk/artifact";
import { cloudLimits } from "../limits.js";

/**
 * A bounded random choice of samples, of each device by itself (Vitter, ACM TOMS 11(1), 1985, algorithm R), so that it
 * does not depend on the order in which different devices' batches come.
 */
export class Reservoir {
	readonly #perDevice: number;
	readonly #random: Random;
	readonly #devices = new Map<string, { readonly samples: Float32Array[]; seen: number; readonly random: Random }>();

	/** @param perDevice samples kept of each device */
	constructor(perDevice: number, random: Random) {
		this.#perDevice = perDevice;
		this.#random = random;
	}

	/** @param batch [B,...], complete */
	add(device: string, batch: Tensor<"float32">): void {
		let kept = this.#devices.get(device);
		if (kept === undefined) {
			kept = { samples: [], seen: 0, random: this.#random.fork(device) };
			this.#devices.set(device, kept);
		}
		const count = batch.dims[0] as number;
		const size = batch.data.length / count;
		for (let n = 0; n < count; n++) {
			const place = kept.seen < this.#perDevice ? kept.seen : kept.random.integer(kept.seen + 1);
			kept.seen++;
			if (place < this.#perDevice) kept.samples[place] = batch.data.slice(n * size, (n + 1) * size);
		}
	}

	/** All samples, device by device in the order of their ids. */
	get samples(): readonly Float32Array[] {
		return [...this.#devices].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, kept]) => kept.samples);
	}
}

/** Room for the smashed data that a model's masked prior is fitted on; undefined where it has none, or nobody is there to send any. */
export function reservoirFor(manifest: Manifest, devices: number, random: Random): Reservoir | undefined {
	if (manifest.recovery.kind !== "masked" || devices === 0) return undefined;
	const byBytes = Math.floor(cloudLimits.reservoirBytes / (4 * elementCount(manifest.smashedShape)));
	const total = Math.min(cloudLimits.reservoirSamples, byBytes);
	return new Reservoir(Math.max(1, Math.floor(total / devices)), random);
}
