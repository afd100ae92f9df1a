import { sha256 } from "../artifact/artifact.js";
import { randomisedLabel } from "../artifact/randomised-response.js";
import type { DisclosureLedger } from "../ledger/disclosure-ledger.js";
import type { DatasetDigests } from "../ledger/record-digest.js";
import type { Random } from "../ports/random.js";
import { Dataset } from "../sources/dataset.js";
import type { CheckedData } from "./device-data.js";

export interface ShownLabelsOptions {
	readonly ledger: DisclosureLedger;
	readonly digests: DatasetDigests;
	/** Draws the device's secret, once. */
	readonly noise: Pick<Random, "uniform">;
}

/** Samples that are named at once. */
const chunk = 256;
/** Hexadecimal digits of a hash that make a draw, as many as a float64 holds exactly. */
const digits = 13;

/**
 * A device's labels as training sees them: each one turned over by chance where the ledger's terms say so, so that whatever is made of it, a message
 * or a gradient, is epsilon-differentially private in the label. The draw is a hash of the record and of a secret in the ledger: asked again, in any
 * order, session or file, the same record shows the same label.
 */
export class ShownLabels {
	readonly #options: ShownLabelsOptions;
	readonly #known = new WeakMap<Dataset, { readonly epsilon: number; readonly shown: Promise<Dataset> }>();

	constructor(options: ShownLabelsOptions) {
		this.#options = options;
	}

	/** @throws DataError `PSGL_STORE_WRITE` when the secret cannot be kept. */
	async of(data: CheckedData): Promise<CheckedData> {
		const terms = await this.#options.ledger.labelTerms(this.#options.noise);
		if (terms === undefined) return data;
		const part = (dataset: Dataset | undefined) => dataset && this.#shown(dataset, terms);
		return { ...data, train: await part(data.train), validation: await part(data.validation) };
	}

	#shown(dataset: Dataset, terms: { readonly epsilon: number; readonly key: string }): Promise<Dataset> {
		const known = this.#known.get(dataset);
		if (known?.epsilon === terms.epsilon) return known.shown;
		const shown = this.#draw(dataset, terms);
		this.#known.set(dataset, { epsilon: terms.epsilon, shown });
		return shown;
	}

	async #draw(dataset: Dataset, terms: { readonly epsilon: number; readonly key: string }): Promise<Dataset> {
		const { shape, classes, samples, records } = dataset;
		const labels = dataset.labels.slice();
		const targets = dataset.targets?.slice();
		const count = classes.length;
		for (let start = 0; start < dataset.length; start += chunk) {
			const end = Math.min(start + chunk, dataset.length);
			const indices = Uint32Array.from({ length: end - start }, (_, i) => start + i);
			const names = await this.#options.digests.of(dataset, indices, dataset.batch(indices).x);
			await Promise.all(
				names.map(async (name, i) => {
					const n = start + i;
					if (targets === undefined) {
						const draw = await drawOf(terms, name);
						labels[n] = randomisedLabel(labels[n] as number, count, terms.epsilon, draw);
						return;
					}
					// Any number of them may apply: each takes its part of epsilon.
					const own = targets.subarray(n * count, (n + 1) * count);
					for (let k = 0; k < count; k++) {
						const draw = await drawOf(terms, `${name} ${k}`);
						own[k] = randomisedLabel(own[k] as number, 2, terms.epsilon / count, draw);
					}
					const first = own.indexOf(1);
					labels[n] = first < 0 ? count : first;
				}),
			);
		}
		return new Dataset({ shape, classes, labels, samples, targets, records });
	}
}

/** Uniform in [0,1): always the same for a record. */
async function drawOf({ epsilon, key }: { readonly epsilon: number; readonly key: string }, name: string) {
	const hash = await sha256(new TextEncoder().encode(`${key} ${epsilon} ${name}`));
	return Number.parseInt(hash.slice(0, digits), 16) / 16 ** digits;
}
