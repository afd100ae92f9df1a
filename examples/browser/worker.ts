/** The device: runs in a worker, so that the page answers while it computes. */
import {
	Dataset,
	Device,
	type DeviceEvent,
	openIndexedDbStore,
	type PictureShape,
	pictureSet,
	webRuntime,
} from "@psgl/sdk/web";
import codecs from "dcmjs-codecs/build/dcmjs-native-codecs.wasm?url";
import type { Drawing, Report, Request } from "./messages.js";
import { Shelf } from "./shelf.js";

const report = (message: Report) => postMessage(message);
const runtime = webRuntime();

let device: Device | undefined;
let broker: { readonly url: string; readonly id: string } | undefined;
let shape: PictureShape = [1, 28, 28];
let classes: readonly string[] = [];
/** Everything the user chose so far. */
let chosen: Dataset | undefined;
/** What the device has: it takes its data when it connects. */
let connectedWith: Dataset | undefined;
let shelf: Shelf | undefined;

self.addEventListener("message", ({ data }: MessageEvent<Request>) => {
	handle(data).catch((error: unknown) => {
		report({ type: "failed", message: error instanceof Error ? error.message : String(error) });
	});
});

async function handle(request: Request): Promise<void> {
	switch (request.type) {
		case "connect":
			return start(request);
		case "pictures":
			return addPictures(await pictureSet(request.pictures, { shape, classes, dicomCodecs: codecs }));
		case "frame":
			return addPictures({ dataset: samples(request.sample, [request.label]), setAside: [] });
		case "train":
			return train();
		case "decide":
			return decide(request.file);
	}
}

/** Connects with the pictures of the last time, and tells the page of the model. */
async function start({ url, id }: Request & { readonly type: "connect" }): Promise<void> {
	if (broker?.id !== id) shelf = await Shelf.open(id);
	broker = { url, id };
	chosen = await shelf?.read();
	await connect(chosen);
	await announce();
	if (chosen !== undefined) tellPictures(chosen, []);
}

/** Connects with the data there are; a device takes its data along when it connects. */
async function connect(data: Dataset | undefined): Promise<void> {
	if (broker === undefined) throw new Error("Connect first");
	await device?.close();
	connectedWith = data;
	device = await Device.connect({
		...broker,
		runtime: await runtime,
		data: data && { train: data },
		store: await openIndexedDbStore(broker.id),
		onLinkEvent: ({ type }) => {
			if (type === "online" || type === "offline") report({ type: "link", online: type === "online" });
		},
	});
}

async function announce(): Promise<void> {
	const { name, inputShape, classes: names } = await current().ready();
	const [channels = 1, height = 0, width = 0] = inputShape;
	shape = [channels, height, width];
	classes = names;
	const { version, threads, warnings } = await runtime;
	report({ type: "ready", model: name, classes, shape, runtime: version, threads, warnings });
}

async function addPictures({ dataset, setAside }: Awaited<ReturnType<typeof pictureSet>>): Promise<void> {
	chosen = chosen === undefined ? dataset : joined(chosen, dataset);
	await shelf?.write(chosen);
	tellPictures(
		chosen,
		setAside.map(({ error }) => error.message),
	);
	await showPreview(dataset);
}

function tellPictures({ labels }: Dataset, setAside: readonly string[]): void {
	const perClass = classes.map((_, k) => labels.filter((label) => label === k).length);
	report({ type: "pictures", perClass, setAside });
}

/** Draws the first of the samples as the device has it, as it perturbs it, and as it leaves. */
async function showPreview(dataset: Dataset): Promise<void> {
	const { x } = dataset.batch([0]);
	const { perturbed, smashed, bytes } = await current().preview(x);
	const drawing = ({ dims, data }: typeof x): Drawing => ({ shape: dims.slice(1), values: data });
	report({
		type: "preview",
		original: drawing(x),
		perturbed: drawing(perturbed),
		smashed: drawing(smashed),
		bytes,
	});
}

async function train(): Promise<void> {
	if (chosen === undefined) throw new Error("Choose pictures of each class first");
	// A device that is closed leaves its round: the one that has these pictures stays.
	if (connectedWith !== chosen) await connect(chosen);
	const device = current();
	for await (const event of device.train()) {
		const { bytesUp, bytesDown } = device;
		const line = describe(event);
		if (line !== undefined) {
			const loss = event.type === "step" ? Object.values(event.losses).at(-1) : undefined;
			report({ type: "progress", line, ...(loss !== undefined && { loss }), bytesUp, bytesDown });
		}
		if (event.type === "end") report({ type: "trained", reason: event.reason });
	}
}

async function decide(file: Blob): Promise<void> {
	const { dataset } = await pictureSet([{ name: "the picture", file, label: 0 }], {
		shape,
		classes,
		dicomCodecs: codecs,
	});
	await showPreview(dataset);
	const { classes: decided, scores, source } = await current().infer(dataset.batch([0]).x);
	const index = decided[0] as number;
	report({
		type: "decision",
		label: classes[index] as string,
		probability: scores.data[index] as number,
		source,
	});
}

function current(): Device {
	if (device === undefined) throw new Error("Connect first");
	return device;
}

function samples(values: Uint8Array, labels: readonly number[]): Dataset {
	return new Dataset({ shape, classes, samples: values, labels: Int32Array.from(labels) });
}

function joined(a: Dataset, b: Dataset): Dataset {
	const values = new Uint8Array(a.samples.length + b.samples.length);
	values.set(a.samples as Uint8Array);
	values.set(b.samples as Uint8Array, a.samples.length);
	return samples(values, [...a.labels, ...b.labels]);
}

function describe(event: DeviceEvent): string | undefined {
	switch (event.type) {
		case "round":
			return `Round ${event.epoch + 1}: ${event.task}`;
		case "step":
			return `Round ${event.epoch + 1}, batch ${event.seq + 1} of ${event.steps}`;
		case "trained":
			return `Round ${event.epoch + 1}: the aggregator has this device's part`;
		case "restored":
			return `Going on in round ${event.epoch + 1}, after batch ${event.seq}`;
		case "refused":
			return `Refused: ${event.refusal.what}`;
		case "paused":
			return event.error?.message ?? "Training pauses";
		case "resumed":
			return "Training goes on";
		case "rejected":
			return `Not usable: ${event.error.message}`;
		default:
			return undefined;
	}
}
