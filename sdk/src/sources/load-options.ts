import type { PictureOptions } from "./decode-image.js";

/**
 * Most bytes an npz archive or a gzip file may expand to: 1 GiB. Stops a small file that was made to fill
 * the memory (a decompression bomb); MNIST expands to 52 MiB, the largest 28x28 MedMNIST file (PathMNIST) to 241 MiB.
 */
export const defaultMaxExpandedBytes = 2 ** 30;

/** Side in pixels that pictures of an image folder are resized to. */
export const defaultImageSize = 28;

/** What `loadData` tells while it works. */
export type LoadEvent =
	| {
			/** How far reading is: arrays of an archive, or pictures of a folder. */
			readonly type: "progress";
			readonly done: number;
			readonly total: number;
	  }
	| {
			/** Something the user should know, with a stable code as errors have. */
			readonly type: "warning";
			readonly code: string;
			readonly message: string;
	  };

export interface LoadOptions {
	/** Decides which samples a missing validation or test part takes off the train part. */
	readonly seed: number;
	/** Refuse a picture that cannot be decoded instead of skipping it with a warning. Default false. */
	readonly strict?: boolean | undefined;
	/** Side in pixels of pictures from an image folder; other sources keep their size. Default 28. */
	readonly imageSize?: number | undefined;
	/** Colour channels of pictures from an image folder. Default: what most of the files have. */
	readonly channels?: 1 | 3 | undefined;
	/**
	 * Classes of a folder of pictures or recordings in the order of their indices, those of the model: a device may have them in another order, or lack
	 * some. Recordings' other labels are left out, other folders refused. Default: those found, sorted by name.
	 */
	readonly classes?: readonly string[] | undefined;
	/** What of each picture of an image folder becomes a sample. Default: all of it. */
	readonly picture?: PictureOptions | undefined;
	/** Most bytes compressed data may expand to. Default 1 GiB. */
	readonly maxExpandedBytes?: number | undefined;
	readonly signal?: AbortSignal | undefined;
	readonly onProgress?: ((event: LoadEvent) => void) | undefined;
}
