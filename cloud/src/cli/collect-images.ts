import { basename } from "node:path";
import { ConfigError, DataError, type Device, PsglError, systemClock, type Tensor } from "@psgl/sdk";
import { completeSplits, type DataSplits, Dataset } from "@psgl/sdk/sources";
import { type DicomImage, type DicomProvenance, DicomReceiver, readDicom } from "@psgl/sdk/sources/dicom";
import { type LabelledSample, PendingLabels, readLabels, watchFolder } from "@psgl/sdk/sources/live";
import type { modalityOptions } from "./modality-options.js";
import { modelClasses } from "./model-classes.js";
import type { OptionValues } from "./options/option.js";
import { pictureOf, type pictureOptions } from "./picture-options.js";
import type { VerbContext } from "./verb.js";

/** Milliseconds between two looks at the file of labels. */
const labelsIntervalMs = 1000;

interface Received {
	readonly x: Tensor<"float32">;
	readonly patient: string;
	readonly provenance: DicomProvenance;
}

type CollectOptions = OptionValues<typeof modalityOptions> &
	OptionValues<typeof pictureOptions> & { readonly imageSize: number; readonly seed: number };

/**
 * Receives images, or takes them as they come into a folder, until `collect` of them have a label that is a class of the aggregator's model, first frames only, and makes a data set of them; each patient is in one part. Nothing of
 * them is written to disk, and events tell numbers and error codes only.
 * @throws ConfigError `PSGL_OPTION_CONFLICT`, `PSGL_DICOM_TITLE`; ConnectionError `PSGL_DICOM_LISTEN`; DataError of a watched folder that cannot be
 * read; `PSGL_DATA_CLASSES`, `PSGL_DATA_EMPTY`; as `modelClasses`
 */
export async function collectImages(
	options: CollectOptions,
	connect: () => Promise<Device>,
	{ output, signal }: VerbContext,
): Promise<DataSplits> {
	const picture = pictureOf(options);
	const {
		dicomPort: port,
		dicomHost: host,
		dicomTitle: title,
		dicomCaller,
		watch,
		labels,
		collect,
		imageSize,
	} = options;
	if (labels === undefined) {
		throw new ConfigError("PSGL_OPTION_CONFLICT", {
			what: "images that come one by one need labels to train on",
			expected: "--labels FILE",
		});
	}
	// A class that none of the first images has counts all the same, and the model's order is no other's.
	const classes = await modelClasses(connect, { signal });
	/** All labels of the file, so that they reach images that come after them. */
	const known = new Map<string, string>();
	const pending = new PendingLabels<Received, string>({ maxCount: Math.max(1000, collect) });
	const collected: LabelledSample<Received, string>[] = [];
	const take = (...found: readonly LabelledSample<Received, string>[]) => {
		if (found.length === 0) return;
		collected.push(...found);
		output.event(
			"collected",
			{ labelled: collected.length, waiting: pending.waiting },
			`Images with a label: ${collected.length} of ${collect}`,
		);
	};
	const refused = ({ code, what }: PsglError) => output.event("warning", { code, message: what }, what);
	const onImage = async (image: DicomImage, name?: string) => {
		const x = await image.sample({ size: imageSize, channels: 1, ...picture });
		const sample = { x, patient: image.patient, provenance: image.provenance() };
		const keys = [...image.labelKeys(), ...(name === undefined ? [] : [name])];
		const label = keys.map((key) => known.get(key)).find((value) => value !== undefined && classes.includes(value));
		if (label !== undefined) take({ sample, label });
		else pending.sample(keys, sample);
	};
	const callers = dicomCaller === undefined ? [] : [dicomCaller];
	const receiving = { port: port ?? 0, host, title, callers, onImage: (image: DicomImage) => onImage(image) };
	await using receiver =
		port === undefined ? undefined : await DicomReceiver.start({ ...receiving, onRefused: refused });
	if (receiver !== undefined)
		output.event("receiving", { host, port: receiver.port }, `Receiving DICOM images on ${host}:${receiver.port}`);
	using watcher = watch === undefined ? undefined : watchImages(watch, { onImage, onRefused: refused, signal });
	/** Why the file of labels could not be read the last time. */
	let unreadable: string | undefined;
	/** The labels as they are now; none while the file is not there, or is being written: it is read again. */
	const readings = async (): Promise<ReadonlyMap<string, string>> => {
		try {
			const read = await readLabels(labels, { signal });
			unreadable = undefined;
			return read;
		} catch (error) {
			if (!(error instanceof PsglError)) throw error;
			if (error.code !== "PSGL_DATA_NOT_FOUND" && error.message !== unreadable) refused(error);
			unreadable = error.message;
			return new Map();
		}
	};
	while (collected.length < collect) {
		watcher?.requireSound();
		let misfits = 0;
		for (const [key, label] of await readings()) {
			if (known.get(key) === label) continue;
			known.set(key, label);
			if (classes.includes(label)) take(...pending.label(key, label));
			else misfits++;
		}
		if (misfits > 0) refused(unknownClasses(misfits, classes));
		if (collected.length < collect) await systemClock.sleep(labelsIntervalMs, signal);
	}
	return splitsOf(collected, classes, imageSize, options.seed);
}

/** Reads the files of a folder as they come; one that is no DICOM image is refused, and the next one is looked at. */
function watchImages(
	folder: string,
	{
		onImage,
		onRefused,
		signal,
	}: {
		readonly onImage: (image: DicomImage, name: string) => Promise<void>;
		readonly onRefused: (error: PsglError) => void;
		readonly signal: AbortSignal;
	},
): Disposable & { requireSound(): void } {
	const stop = new AbortController();
	let failure: unknown;
	const watching = async () => {
		for await (const path of watchFolder(folder, { signal: AbortSignal.any([signal, stop.signal]) })) {
			try {
				await onImage(await readDicom(path), basename(path));
			} catch (error) {
				if (!(error instanceof PsglError)) throw error;
				// A file's name may be a patient's.
				const what = "a file of the watched folder cannot be used";
				onRefused(new DataError(error.code, { what, remedy: "See the error's code in docs/troubleshooting.md" }));
			}
		}
	};
	watching().catch((error: unknown) => {
		failure = error;
	});
	return {
		requireSound() {
			if (failure !== undefined) throw failure;
		},
		[Symbol.dispose]: () => stop.abort(),
	};
}

function splitsOf(
	collected: readonly LabelledSample<Received, string>[],
	classes: readonly string[],
	size: number,
	seed: number,
): DataSplits {
	const patients = [...new Set(collected.map(({ sample }) => sample.patient))];
	const provenance = collected.map(({ sample }) => sample.provenance);
	const samples = new Float32Array(collected.length * size * size);
	collected.forEach(({ sample }, i) => {
		samples.set(sample.x.data, i * size * size);
	});
	const train = new Dataset({
		shape: [1, size, size],
		classes,
		labels: Int32Array.from(collected, ({ label }) => classes.indexOf(label)),
		samples,
		records: Int32Array.from(collected, ({ sample }) => patients.indexOf(sample.patient)),
		provenance: (index) => provenance[index] as DicomProvenance,
	});
	return completeSplits("received images", { train, byRecord: true }, { seed });
}

/** Tells no label: whoever takes the wrong column for it would have names printed. */
function unknownClasses(count: number, classes: readonly string[]): DataError {
	return new DataError("PSGL_LABELS_CLASS", {
		what: `${count} labels are no class of the model; images wait until theirs is`,
		expected: classes.join(", "),
		remedy: "Write the labels as the model's classes are called",
	});
}
