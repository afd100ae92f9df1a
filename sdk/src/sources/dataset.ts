import { ShapeError } from "../errors.js";
import type { SpareTensors } from "../spare-tensors.js";
import { elementCount, labelTensor, type Tensor, zeros } from "../tensor.js";
import type { SampleProvenance } from "./sample-provenance.js";

/** Name of a part of a data set. `validation` decides when to stop; `test` is never looked at before the end. */
export type SplitName = "train" | "validation" | "test";

/**
 * Labelled samples in memory. Pictures [C,H,W] or signals [C,L], raw as read; `batch` scales them.
 * uint8 samples are kept as bytes (a quarter of the memory) and divided by 255 on the way out.
 */
export class Dataset {
	/** Shape of one sample: [C,H,W] or [C,L]. */
	readonly shape: readonly number[];
	readonly classes: readonly string[];
	/**
	 * [N] class index of each sample. Where several classes may apply: the first one that does, and as many as there are classes
	 * where none does, to deal and split by.
	 */
	readonly labels: Int32Array;
	/** [N, ...shape], row-major. */
	readonly samples: Uint8Array | Float32Array;
	/** [N*K] row by row, 1 where a class applies to the sample, else 0: only where several may. */
	readonly targets: Uint8Array | undefined;
	/** [N] patient or record each sample came from, where the source says so. */
	readonly records: Int32Array | undefined;
	/** Where the sample at an index came from; undefined where the source does not say. */
	readonly provenance: ((index: number) => SampleProvenance) | undefined;

	/** @throws ShapeError `PSGL_DATA_LENGTH` when samples, labels and shape do not fit together. */
	constructor(parts: {
		readonly shape: readonly number[];
		readonly classes: readonly string[];
		readonly labels: Int32Array;
		readonly samples: Uint8Array | Float32Array;
		readonly targets?: Uint8Array | undefined;
		readonly records?: Int32Array | undefined;
		readonly provenance?: ((index: number) => SampleProvenance) | undefined;
	}) {
		const expected = parts.labels.length * elementCount(parts.shape);
		if (
			parts.samples.length !== expected ||
			(parts.targets !== undefined && parts.targets.length !== parts.labels.length * parts.classes.length) ||
			(parts.records !== undefined && parts.records.length !== parts.labels.length)
		) {
			throw new ShapeError("PSGL_DATA_LENGTH", {
				what: "samples, labels and records of a data set have different lengths",
				got: `${parts.samples.length} values, ${parts.labels.length} labels, ${parts.targets?.length ?? "no"} targets, ${parts.records?.length ?? "no"} records`,
				expected: `${expected} values for shape [${parts.shape.join(",")}], a target for each of ${parts.classes.length} classes or none`,
			});
		}
		this.shape = parts.shape;
		this.classes = parts.classes;
		this.labels = parts.labels;
		this.samples = parts.samples;
		this.targets = parts.targets;
		this.records = parts.records;
		this.provenance = parts.provenance;
	}

	get length(): number {
		return this.labels.length;
	}

	/**
	 * Samples as float32 [B, ...shape] and their labels as int64: [B] classes, or [B,K] targets where there are any.
	 * @param spare takes memory for the samples, where there is some
	 */
	batch(indices: ArrayLike<number>, spare?: SpareTensors): { x: Tensor<"float32">; y: Tensor<"int64"> } {
		const { samples, labels } = this;
		const size = elementCount(this.shape);
		const dims = [indices.length, ...this.shape];
		const batch = spare?.take("float32", dims) ?? zeros("float32", dims);
		const x = batch.data;
		const y = new Int32Array(indices.length);
		for (let b = 0; b < indices.length; b++) {
			const index = indices[b] as number;
			if (samples instanceof Uint8Array) scaleBytes(samples, index * size, x.subarray(b * size, (b + 1) * size));
			else x.set(samples.subarray(index * size, (index + 1) * size), b * size);
			y[b] = labels[index] as number;
		}
		return {
			x: batch,
			y: this.#targetsOf(indices) ?? labelTensor(y),
		};
	}

	/** The samples at `indices`, in that order, as a data set of their own. */
	subset(indices: ArrayLike<number>): Dataset {
		const size = elementCount(this.shape);
		const samples =
			this.samples instanceof Uint8Array
				? new Uint8Array(indices.length * size)
				: new Float32Array(indices.length * size);
		const labels = new Int32Array(indices.length);
		const records = this.records && new Int32Array(indices.length);
		for (let i = 0; i < indices.length; i++) {
			const index = indices[i] as number;
			samples.set(this.samples.subarray(index * size, (index + 1) * size), i * size);
			labels[i] = this.labels[index] as number;
			if (records && this.records) records[i] = this.records[index] as number;
		}
		const targets = this.#targetsOf(indices);
		const { provenance } = this;
		const from = Int32Array.from(indices);
		return new Dataset({
			shape: this.shape,
			classes: this.classes,
			labels,
			samples,
			records,
			targets: targets && Uint8Array.from(targets.data, Number),
			provenance: provenance && ((index) => provenance(from[index] as number)),
		});
	}

	#targetsOf(indices: ArrayLike<number>): Tensor<"int64"> | undefined {
		const { targets } = this;
		if (targets === undefined) return undefined;
		const width = this.classes.length;
		const data = new BigInt64Array(indices.length * width);
		for (let b = 0; b < indices.length; b++) {
			const from = (indices[b] as number) * width;
			for (let k = 0; k < width; k++) data[b * width + k] = BigInt(targets[from + k] as number);
		}
		return { dtype: "int64", dims: [indices.length, width], data };
	}
}

/** Of each byte. */
const scaled = Float32Array.from({ length: 256 }, (_, byte) => byte * (1 / 255));

/** In a loop of its own, which is compiled for bytes alone: every batch of every device comes through here. */
function scaleBytes(samples: Uint8Array, from: number, row: Float32Array): void {
	for (let i = 0; i < row.length; i++) row[i] = scaled[samples[from + i] as number] as number;
}

/** A data set in its three parts. A source without a validation part takes it off `train`, stratified. */
export interface DataSplits {
	/** For display, for instance `pneumoniamnist.npz`. Synthetic sets say so here. */
	readonly name: string;
	readonly synthetic: boolean;
	/** What a reader of results must know about the parts, for instance that the test part was taken off train. */
	readonly notes?: readonly string[];
	readonly train: Dataset;
	readonly validation: Dataset;
	readonly test: Dataset;
}
