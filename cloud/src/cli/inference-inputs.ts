import { ConfigError, DataError, elementCount, PsglError, ShapeError, type Tensor } from "@psgl/sdk";
import { isMultiLabel, type Manifest } from "@psgl/sdk/artifact";
import { decodeImage, loadData, type PictureOptions, readNpz, type SplitName } from "@psgl/sdk/sources";
import type { OptionValues } from "./options/option.js";
import { pictureOf, type pictureOptions } from "./picture-options.js";

/** Samples to decide on. */
export interface InferenceInputs {
	/** [N,C,H,W] or [N,C,L], values in [0,1]. */
	readonly x: Tensor<"float32">;
	/** [N] class indices, where they are known. */
	readonly labels?: Int32Array | undefined;
	/** [N*K] marks, where they are known and several labels may apply to a sample. */
	readonly targets?: Uint8Array | undefined;
}

export interface InputOptions extends OptionValues<typeof pictureOptions> {
	readonly input?: string | undefined;
	readonly data?: string | undefined;
	readonly split: SplitName;
	readonly limit: number;
	readonly seed: number;
}

/**
 * Reads what the user named, in the shape the model takes.
 * @throws ConfigError `PSGL_OPTION_CONFLICT`; ShapeError `PSGL_INPUT_SHAPE`, `PSGL_INPUT_LABELS`; DataError as `loadData`, `readNpz`,
 * `readDicom`, `PSGL_IMAGE_UNDECODABLE`, `PSGL_DATA_MISSING_ARRAY`; ConfigError `PSGL_IMAGE_CROP`; LimitError `PSGL_IMAGE_LIMIT`.
 */
export async function readInputs(
	options: InputOptions,
	manifest: Manifest,
	signal: AbortSignal,
): Promise<InferenceInputs> {
	const { input, data, split, limit, seed } = options;
	const picture = pictureOf(options);
	if ((input === undefined) === (data === undefined)) {
		throw new ConfigError("PSGL_OPTION_CONFLICT", {
			what: "there has to be one source of samples",
			got: input === undefined ? "none" : "--input and --data",
			expected: "--input FILE or --data PATH",
		});
	}
	if (data !== undefined) {
		const part = (await loadData(data, { seed, imageSize: manifest.inputShape[1], picture, signal }))[split];
		const indices = Array.from({ length: Math.min(limit, part.length) }, (_, i) => i);
		if (part.shape.join() !== manifest.inputShape.join()) throw misfit(data, part.shape, manifest);
		if (isMultiLabel(manifest.loss) !== (part.targets !== undefined)) throw otherLabels(data, manifest);
		const { x } = part.batch(indices);
		if (part.targets !== undefined) return { x, targets: part.subset(indices).targets };
		return { x, labels: part.labels.subarray(0, indices.length) };
	}
	const file = input as string;
	const isArray = /\.npz$/i.test(file);
	const x = await (isArray ? readArray(file, manifest, signal) : readPicture(file, manifest, { picture, limit }));
	const size = elementCount(manifest.inputShape);
	const count = Math.min(limit, x.data.length / size);
	return { x: { ...x, dims: [count, ...manifest.inputShape], data: x.data.subarray(0, count * size) } };
}

/** A picture, or the first frames of a DICOM file. */
async function readPicture(
	file: string,
	manifest: Manifest,
	{ picture, limit }: { readonly picture: PictureOptions; readonly limit: number },
): Promise<Tensor<"float32">> {
	const [channels = 1, size = 0, width = size] = manifest.inputShape;
	if (manifest.inputShape.length !== 3 || size !== width || (channels !== 1 && channels !== 3)) {
		throw misfit(file, [3, 0, 0], manifest, "a picture");
	}
	const { isDicomFile, readDicom } = await import("@psgl/sdk/sources/dicom");
	if (await isDicomFile(file)) {
		const image = await readDicom(file);
		const count = Math.min(limit, image.frames);
		const length = elementCount(manifest.inputShape);
		const data = new Float32Array(count * length);
		for (let frame = 0; frame < count; frame++) {
			data.set((await image.sample({ ...picture, frame, size, channels })).data, frame * length);
		}
		return { dtype: "float32", dims: [count, ...manifest.inputShape], data };
	}
	try {
		const levels = await decodeImage(file, size, channels, picture);
		return { dtype: "float32", dims: [1, ...manifest.inputShape], data: Float32Array.from(levels, (v) => v / 255) };
	} catch (cause) {
		if (cause instanceof PsglError) throw cause;
		throw new DataError("PSGL_IMAGE_UNDECODABLE", {
			what: `${file} cannot be decoded`,
			got: (cause as Error).message,
			expected: "a picture, or a DICOM file",
			remedy: "Check the path, and open the file in a picture viewer",
			cause,
		});
	}
}

/** The first numeric array: samples as the model takes them, or without the channel where there is one. */
async function readArray(file: string, manifest: Manifest, signal: AbortSignal): Promise<Tensor<"float32">> {
	const arrays = [...(await readNpz(file, { signal }))];
	for (const [, value] of arrays) {
		if (typeof value === "string" || !("dims" in value)) continue;
		if (value.dtype !== "uint8" && value.dtype !== "float32") continue;
		const own = manifest.inputShape;
		const shapes = own[0] === 1 ? [own, own.slice(1)] : [own];
		const fits = shapes.some((shape) => value.dims.slice(-shape.length).join() === shape.join());
		if (!fits) throw misfit(file, value.dims, manifest);
		const data = value.dtype === "uint8" ? Float32Array.from(value.data as Uint8Array, (v) => v / 255) : value.data;
		return { dtype: "float32", dims: value.dims, data: data as Float32Array };
	}
	throw new DataError("PSGL_DATA_MISSING_ARRAY", {
		what: `${file} holds no samples`,
		got: arrays.map(([name]) => name).join(", ") || "no arrays",
		expected: "an array of uint8 or float32",
	});
}

function misfit(source: string, shape: readonly number[], manifest: Manifest, got?: string): ShapeError {
	return new ShapeError("PSGL_INPUT_SHAPE", {
		what: `${source} does not fit the model ${manifest.name}`,
		got: got ?? `[${shape.join(",")}]`,
		expected: `samples of shape [${manifest.inputShape.join(",")}]`,
		remedy: "Give samples of that shape, or use the artifact that was made for these",
	});
}

function otherLabels(source: string, { name, loss }: Manifest): ShapeError {
	const [own, others] = ["any number of labels a sample", "one class a sample"];
	return new ShapeError("PSGL_INPUT_LABELS", {
		what: `${source} has labels of another kind than the model ${name}`,
		got: isMultiLabel(loss) ? others : own,
		expected: isMultiLabel(loss) ? own : others,
		remedy: "Use the artifact that was made for these data",
	});
}
