import { isMultiLabel, type Manifest } from "../artifact/index.js";
import { DataError, ShapeError } from "../errors.js";
import type { Dataset } from "../sources/dataset.js";
import { elementCount } from "../tensor.js";

/** A device's own labelled samples. */
export interface DeviceData {
	/** What it trains on; undefined or empty: it takes no part in training rounds. */
	readonly train?: Dataset | undefined;
	/** What it sends to measure the whole system after each round. */
	readonly validation?: Dataset | undefined;
}

/** Data that were checked once. */
export interface CheckedData extends DeviceData {
	/** Shape of one sample. */
	readonly shape: readonly number[];
	/** Number of classes. */
	readonly classes: number;
	/** What the source calls them. */
	readonly classNames: readonly string[];
	/** Whether several of them may apply to a sample. */
	readonly multiLabel: boolean;
}

/**
 * Checks a device's data.
 * @throws DataError `PSGL_DEVICE_NOT_FINITE` naming the first sample with NaN or infinity; ShapeError
 * `PSGL_DEVICE_DATA` when the two parts do not fit together.
 */
export function checkData(data: DeviceData): CheckedData | undefined {
	const { train, validation } = data;
	const first = train ?? validation;
	if (first === undefined) return undefined;
	for (const [part, dataset] of [
		["train", train],
		["validation", validation],
	] as const) {
		if (dataset === undefined) continue;
		requireFiniteSamples(dataset, part);
		if (describe(dataset) === describe(first)) continue;
		throw new ShapeError("PSGL_DEVICE_DATA", {
			what: "the device's training and validation data do not fit together",
			got: describe(dataset),
			expected: describe(first),
			remedy: "Read both parts from the same source",
		});
	}
	return {
		train,
		validation,
		shape: first.shape,
		classes: first.classes.length,
		classNames: first.classes,
		multiLabel: first.targets !== undefined,
	};
}

/**
 * Checks that an artifact takes the device's data.
 * @throws ShapeError `PSGL_DEVICE_SHAPE`, `PSGL_DEVICE_CLASSES`, `PSGL_DEVICE_LABELS`.
 */
export function requireFit(manifest: Manifest, data: CheckedData): void {
	if (manifest.inputShape.join() !== data.shape.join()) throw shapeMisfit(manifest, data.shape);
	if (manifest.classes.length !== data.classes) {
		throw new ShapeError("PSGL_DEVICE_CLASSES", {
			what: `the labels on this device do not fit the model ${manifest.name}`,
			got: `${data.classes} classes in the data`,
			expected: `${manifest.classes.length}: ${manifest.classes.slice(0, 8).join(", ")}`,
			remedy:
				"Load the data with the model's classes (psgl device --classes, or classes of loadData), or compile a model with --classes of the data",
		});
	}
	const { classNames } = data;
	const sameNames = [...classNames].sort().join("\n") === [...manifest.classes].sort().join("\n");
	// Other names are another way to call them; the same ones in another order are labels of other classes.
	if (sameNames && classNames.join("\n") !== manifest.classes.join("\n")) {
		throw new ShapeError("PSGL_DEVICE_CLASSES", {
			what: `the classes on this device are those of the model ${manifest.name}, in another order`,
			got: classNames.slice(0, 8).join(", "),
			expected: manifest.classes.slice(0, 8).join(", "),
			remedy: "Load the data with the model's classes: psgl device --classes, or classes of loadData",
		});
	}
	if (isMultiLabel(manifest.loss) !== data.multiLabel) {
		const kind = (multiLabel: boolean) => (multiLabel ? "any number of labels a sample" : "one class a sample");
		throw new ShapeError("PSGL_DEVICE_LABELS", {
			what: `the labels on this device are of another kind than those of the model ${manifest.name}`,
			got: kind(data.multiLabel),
			expected: kind(isMultiLabel(manifest.loss)),
			remedy:
				"Compile the model with --loss binary-cross-entropy where several labels may apply, else with another loss",
		});
	}
}

/** The error for inputs an artifact does not take. */
export function shapeMisfit(manifest: Manifest, shape: readonly number[]): ShapeError {
	return new ShapeError("PSGL_DEVICE_SHAPE", {
		what: `the samples on this device do not fit the model ${manifest.name}`,
		got: `samples of shape [${shape.join(",")}]`,
		expected: `[${manifest.inputShape.join(",")}]`,
		remedy: `Resize the data, or compile a model with --input ${shape.join("x")}`,
	});
}

/**
 * Refuses samples with NaN or infinity before anything of them leaves the device.
 * @param values [N, ...] raw values
 * @param size values of one sample
 * @throws DataError `PSGL_DEVICE_NOT_FINITE`.
 */
export function requireFiniteValues(values: Float32Array, size: number, part: string): void {
	for (let i = 0; i < values.length; i++) {
		if (Number.isFinite(values[i])) continue;
		throw new DataError("PSGL_DEVICE_NOT_FINITE", {
			what: `sample ${Math.floor(i / size)} of the ${part} data is not finite`,
			got: `${values[i]} at index ${i % size} of the sample`,
			expected: "finite numbers only",
			remedy: "Repair or remove the sample; nothing of it was sent",
		});
	}
}

function requireFiniteSamples(dataset: Dataset, part: string): void {
	if (dataset.samples instanceof Float32Array) {
		requireFiniteValues(dataset.samples, elementCount(dataset.shape), part);
	}
}

function describe(dataset: Dataset): string {
	return `samples of shape [${dataset.shape.join(",")}] in ${dataset.classes.length} classes, ${dataset.targets === undefined ? "one" : "any number"} a sample`;
}
