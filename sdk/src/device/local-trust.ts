import type { Dataset } from "../sources/dataset.js";
import { localAccuracy } from "./check-health.js";
import type { ClientModel } from "./client-model.js";
import type { CheckedData } from "./device-data.js";
import { slotLimits } from "./model-slots.js";

/** How far a decision of the local head can be trusted: what it got right of this device's own labelled samples. */
export interface LocalAccuracy {
	/** Share it got right; of all labels where several may apply to a sample. */
	readonly accuracy: number;
	/** How many samples that is of: the last of those kept for validation, or else of those it trains on. */
	readonly samples: number;
	/** It has learned from these very samples. */
	readonly trainedOn: boolean;
}

const known = new WeakMap<object, Promise<LocalAccuracy | undefined>>();

/** Measured once for each version of the weights; undefined on a device without labelled samples, and where it cannot be measured. */
export function localTrust(model: ClientModel, data: CheckedData | undefined): Promise<LocalAccuracy | undefined> {
	const { validation, train } = data ?? {};
	const own = validation !== undefined && validation.length > 0 ? validation : train;
	if (own === undefined || own.length === 0) return Promise.resolve(undefined);
	// Weights are replaced, never written into.
	const { weights } = model.state;
	// A decision that was made is not lost because its trustworthiness is not known; it is measured at the next one.
	const anew = () =>
		measure(model, own, own === train).catch(() => {
			known.delete(weights);
			return undefined;
		});
	const measured = known.get(weights) ?? anew();
	known.set(weights, measured);
	return measured;
}

async function measure(model: ClientModel, own: Dataset, trainedOn: boolean): Promise<LocalAccuracy> {
	const samples = Math.min(own.length, slotLimits.healthSamples);
	return { accuracy: await localAccuracy(model, own), samples, trainedOn };
}
