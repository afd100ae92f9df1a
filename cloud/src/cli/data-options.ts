import { phantomSplits } from "@psgl/firmware-sim";
import { seededRandom } from "@psgl/sdk";
import {
	type DataSplits,
	type Dataset,
	defaultImageSize,
	loadData,
	type PictureOptions,
	stratifiedSplit,
} from "@psgl/sdk/sources";
import { z } from "zod";
import { formatCount } from "./format.js";
import { type OptionValues, option, toggle } from "./options/option.js";
import { pictureOf, pictureOptions } from "./picture-options.js";
import type { VerbContext } from "./verb.js";

/** Where samples come from. */
export const dataOptions = {
	data: option(
		"PATH",
		"npz file, folder of MNIST idx files, of recordings (WFDB, EDF, CSV), or of pictures or DICOM files with a sub-folder for each class (default: the embedded synthetic chest phantom)",
		z.string().min(1).optional(),
	),
	samples: option(
		"N",
		"train on at most this many samples; the embedded set draws exactly as many",
		z.int().min(10).max(1_000_000).optional(),
	),
	imageSize: option(
		"PIXELS",
		"side that pictures of a folder, and of the embedded set, get",
		z.int().min(16).max(1024).default(defaultImageSize),
	),
	...pictureOptions,
	strict: toggle("refuse a picture that cannot be decoded instead of skipping it"),
} as const;

/** Loads the data set, or draws the embedded one, and says what it is. */
export async function loadSplits(
	options: OptionValues<typeof dataOptions> & {
		readonly seed: number;
		readonly classes?: readonly string[] | undefined;
	},
	{ output, signal }: VerbContext,
): Promise<DataSplits> {
	const { data, samples, imageSize, strict, seed, classes } = options;
	const picture = pictureOf(options);
	const splits =
		data === undefined
			? phantomSplits({ seed, size: imageSize, train: samples })
			: await readSplits(data, { samples, imageSize, classes, picture, strict, seed }, { output, signal });
	const { name, synthetic, train, validation, test, notes = [] } = splits;
	const sizes = [train, validation, test].map((part) => formatCount(part.length));
	output.event(
		"data",
		{
			name,
			synthetic,
			shape: train.shape,
			classes: train.classes,
			train: train.length,
			validation: validation.length,
			test: test.length,
			notes,
		},
		`Data: ${name}, ${sizes[0]} samples [${train.shape.join(",")}] to train, ${sizes[1]} to validate, ${sizes[2]} to test`,
	);
	return splits;
}

async function readSplits(
	path: string,
	options: {
		samples: number | undefined;
		imageSize: number;
		classes: readonly string[] | undefined;
		picture: PictureOptions;
		strict: boolean;
		seed: number;
	},
	{ output, signal }: VerbContext,
): Promise<DataSplits> {
	const { samples, imageSize, classes, picture, strict, seed } = options;
	const splits = await loadData(path, {
		seed,
		imageSize,
		classes,
		picture,
		strict,
		signal,
		onProgress: (event) => {
			if (event.type === "warning")
				output.event("warning", { code: event.code, message: event.message }, event.message);
		},
	});
	if (samples === undefined || samples >= splits.train.length) return splits;
	return { ...splits, train: stratifiedPart(splits.train, samples, seed) };
}

/** About `count` samples in which every class keeps its share. */
export function stratifiedPart(dataset: Dataset, count: number, seed: number): Dataset {
	if (count >= dataset.length) return dataset;
	const random = seededRandom(seed).fork("part");
	return dataset.subset(stratifiedSplit(dataset.labels, 1, count, random).taken);
}
