/** Lets a test call psgl's browser parts one by one: everything goes over as JSON, bytes as base64. */
import {
	cameraFrames,
	openIndexedDbStore,
	type PictureShape,
	pictureSet,
	type WebRuntimeOptions,
	webRuntime,
} from "@psgl/sdk/web";
import codecs from "dcmjs-codecs/build/dcmjs-native-codecs.wasm?url";

type Store = Awaited<ReturnType<typeof openIndexedDbStore>>;
type Session = Awaited<ReturnType<Awaited<ReturnType<typeof webRuntime>>["load"]>>;
type AnyTensor = Awaited<ReturnType<Session["run"]>>[string];

/** A tensor as it travels. */
interface WireTensor {
	readonly dtype: AnyTensor["dtype"];
	readonly dims: readonly number[];
	readonly base64: string;
}

const stores: Store[] = [];
const sessions: Session[] = [];
const store = (id: number) => stores[id] as Store;
const session = (id: number) => sessions[id] as Session;

const calls = {
	async openStore(name: string) {
		return stores.push(await openIndexedDbStore(name)) - 1;
	},
	async storeGet(id: number, key: string) {
		const value = await store(id).get(key);
		return value && toBase64(value);
	},
	storeKeys: (id: number, prefix: string) => store(id).keys(prefix),
	storeWrite: (id: number, changes: readonly { key: string; base64?: string }[]) =>
		store(id).write(
			changes.map(({ key, base64 }) => ({ key, value: base64 === undefined ? undefined : fromBase64(base64) })),
		),
	storeClose: (id: number) => store(id).close(),
	/** Changes a record behind the store's back. */
	async damage(name: string, key: string, base64: string) {
		const opening = indexedDB.open(`psgl-${name}`);
		await new Promise((resolve) => {
			opening.onsuccess = resolve;
		});
		const transaction = opening.result.transaction("records", "readwrite");
		transaction.objectStore("records").put(fromBase64(base64), key);
		await new Promise((resolve) => {
			transaction.oncomplete = resolve;
		});
		opening.result.close();
	},
	async runtime(options: WebRuntimeOptions) {
		const { version, provider, threads, warnings } = await webRuntime(options);
		return { version, provider, threads, warnings, isolated: crossOriginIsolated };
	},
	async load(base64: string, threads: number) {
		const runtime = await webRuntime({ provider: "wasm", threads });
		const loaded = await runtime.load(fromBase64(base64));
		return { id: sessions.push(loaded) - 1, inputNames: loaded.inputNames, outputNames: loaded.outputNames };
	},
	async run(id: number, feeds: Record<string, WireTensor>, fetches?: readonly string[]) {
		const tensors = Object.fromEntries(Object.entries(feeds).map(([name, wire]) => [name, fromWire(wire)]));
		const results = await session(id).run(tensors, fetches);
		return Object.fromEntries(Object.entries(results).map(([name, result]) => [name, toWire(result)]));
	},
	closeSession: (id: number) => session(id).close(),
	async pictures(
		files: readonly { name: string; base64: string; label: number }[],
		shape: PictureShape,
		classes: string[],
		decodes = false,
	) {
		const pictures = files.map(({ name, base64, label }) => ({ name, label, file: new Blob([fromBase64(base64)]) }));
		const { dataset, setAside } = await pictureSet(pictures, {
			shape,
			classes,
			...(decodes && { dicomCodecs: codecs }),
		});
		return {
			samples: toBase64(dataset.samples),
			labels: [...dataset.labels],
			setAside: setAside.map(({ name, error }) => ({ name, code: error.code })),
		};
	},
	async camera(shape: PictureShape, count: number) {
		const frames: number[] = [];
		for await (const frame of cameraFrames({ shape, everyMs: 0 })) {
			frames.push(frame.reduce((sum, value) => sum + value, 0) / frame.length);
			if (frames.length === count) break;
		}
		return frames;
	},
	/** Frames until the camera's own track ends, as when it is pulled out. */
	async unplugged(shape: PictureShape) {
		const { mediaDevices } = navigator;
		const open = mediaDevices.getUserMedia.bind(mediaDevices);
		let track: MediaStreamTrack | undefined;
		mediaDevices.getUserMedia = async (constraints) => {
			const stream = await open(constraints);
			[track] = stream.getVideoTracks();
			return stream;
		};
		try {
			// Once the next frame is waited for.
			const pull = () => track?.dispatchEvent(new Event("ended"));
			for await (const _ of cameraFrames({ shape, everyMs: 0 })) setTimeout(pull);
		} finally {
			mediaDevices.getUserMedia = open;
		}
	},
};

/** Calls one of the above; an error comes back as what it says. */
async function call(name: keyof typeof calls, args: readonly unknown[]): Promise<unknown> {
	try {
		return { value: await (calls[name] as (...args: readonly unknown[]) => unknown)(...args) };
	} catch (error) {
		const { name: kind, code, message, got, expected, remedy, cause } = error as Record<string, unknown>;
		return {
			error: { kind, code, message, got, expected, remedy, cause: cause === undefined ? undefined : String(cause) },
		};
	}
}

Object.assign(globalThis, { call });

function toWire({ dtype, dims, data }: AnyTensor): WireTensor {
	return { dtype, dims, base64: toBase64(data) };
}

function fromWire({ dtype, dims, base64 }: WireTensor): AnyTensor {
	const { buffer } = fromBase64(base64);
	const arrays = {
		float32: Float32Array,
		float64: Float64Array,
		float16: Uint16Array,
		int8: Int8Array,
		uint8: Uint8Array,
		int32: Int32Array,
		int64: BigInt64Array,
		bool: Uint8Array,
	} as const;
	return { dtype, dims, data: new arrays[dtype](buffer) } as AnyTensor;
}

function toBase64({ buffer, byteOffset, byteLength }: ArrayBufferView): string {
	let text = "";
	for (const byte of new Uint8Array(buffer, byteOffset, byteLength)) text += String.fromCharCode(byte);
	return btoa(text);
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
	return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
