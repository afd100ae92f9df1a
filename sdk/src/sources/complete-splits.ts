import { DataError } from "../errors.js";
import { seededRandom } from "../ports/random.js";
import type { DataSplits, Dataset } from "./dataset.js";
import type { LoadOptions } from "./load-options.js";
import { heldOutCap, heldOutFraction, recordSplit, stratifiedSplit } from "./split.js";

/** The parts a source really has. */
export interface FoundParts {
	readonly train: Dataset;
	readonly validation?: Dataset | undefined;
	readonly test?: Dataset | undefined;
	/** Keep the samples of a patient or record (`Dataset.records`) in one part. */
	readonly byRecord?: boolean | undefined;
}

/**
 * Takes missing parts off the train part, stratified by class (by whole patients or records with `byRecord`) and decided by the
 * seed, and says so in a
 * warning for a missing test part: results on it compare with nothing published.
 *
 * @throws DataError `PSGL_DATA_EMPTY` when a part has no samples
 */
export function completeSplits(name: string, parts: FoundParts, options: LoadOptions): DataSplits {
	const random = seededRandom(options.seed);
	const notes: string[] = [];
	let { train, validation, test } = parts;
	const takeOff = (part: string) => {
		const { labels, records } = train;
		const draw = random.fork(part);
		if (parts.byRecord && records !== undefined) return recordSplit(labels, records, heldOutFraction, heldOutCap, draw);
		return stratifiedSplit(labels, heldOutFraction, heldOutCap, draw);
	};
	if (test === undefined) {
		const { kept, taken } = takeOff("test");
		test = train.subset(taken);
		train = train.subset(kept);
		const message = `${name} has no test part: ${taken.length} samples were taken off train by seed ${options.seed}`;
		notes.push(message);
		options.onProgress?.({ type: "warning", code: "PSGL_DATA_NO_TEST", message });
	}
	if (validation === undefined) {
		const { kept, taken } = takeOff("validation");
		validation = train.subset(taken);
		train = train.subset(kept);
		notes.push(`${name} has no validation part: ${taken.length} samples were taken off train by seed ${options.seed}`);
	}
	for (const [part, dataset] of Object.entries({ train, validation, test })) {
		if (dataset.length === 0) {
			throw new DataError("PSGL_DATA_EMPTY", {
				what: `the ${part} part of ${name} has no samples`,
				expected: parts.byRecord
					? "samples of at least three patients or records: one stays in one part"
					: "at least one sample in each part, and two of a class where a part is taken off train",
				remedy: "Add samples.",
			});
		}
	}
	return { name, synthetic: false, notes, train, validation, test };
}
