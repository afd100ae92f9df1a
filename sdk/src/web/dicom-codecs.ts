import { type DecodedFrame, mostDecodeMs } from "../sources/dicom/decoded-frame.js";
import type { PixelFormat } from "../sources/dicom/pixel-format.js";
import type { PixelCodec } from "../sources/dicom/transfer-syntaxes.js";
import { requireOwnOrigin } from "./own-origin.js";

/** A frame to decode. */
interface EncodedFrame {
	readonly codec: Exclude<PixelCodec, "none">;
	readonly encoded: Uint8Array;
	readonly format: PixelFormat;
}

/** What the worker gets: the codecs first, then frames, each after the answer to the one before. */
export type CodecRequest = { readonly module: WebAssembly.Module } | EncodedFrame;

export type CodecAnswer = "ready" | { readonly frame: DecodedFrame } | { readonly error: string };

/** A frame may take so much longer than in Node: the browser compiles the codec while it runs, on a core that others use. */
const patience = 10;

/** Decodes compressed frames one after the other, in a worker that ends when one is damaged or takes too long. */
export class DicomCodecs implements Disposable {
	readonly #url: string;
	#module: Promise<WebAssembly.Module> | undefined;
	#worker: Worker | undefined;

	/**
	 * @param url of `dcmjs-codecs/build/dcmjs-native-codecs.wasm`, on the page's own origin
	 * @throws ConfigError `PSGL_WEB_WASM_ORIGIN`
	 */
	constructor(url: string | URL) {
		this.#url = requireOwnOrigin(url, "dcmjs-codecs");
	}

	/** @throws Error of the codec, when the frame takes too long, or when the codecs cannot be loaded. */
	readonly decode = async (
		codec: Exclude<PixelCodec, "none">,
		encoded: Uint8Array,
		format: PixelFormat,
	): Promise<DecodedFrame> => {
		try {
			const worker = this.#worker ?? (await this.#start());
			const answer = await ask(worker, { codec, encoded, format }, patience * mostDecodeMs(format));
			if (answer === "ready") throw new Error("the worker of the codecs did not decode");
			return answer.frame;
		} catch (error) {
			// A codec that threw keeps the memory of its frame, and may be in any state: the next frame gets a fresh one.
			this[Symbol.dispose]();
			throw error;
		}
	};

	[Symbol.dispose](): void {
		this.#worker?.terminate();
		this.#worker = undefined;
	}

	async #start(): Promise<Worker> {
		this.#module ??= WebAssembly.compileStreaming(fetch(this.#url));
		const module = await this.#module;
		const worker = new Worker(new URL("./dicom-codec-worker.js", import.meta.url), { type: "module" });
		this.#worker = worker;
		await ask(worker, { module }, undefined);
		return worker;
	}
}

/** @throws Error with what the worker says, or when it takes longer than `ms`. */
function ask(
	worker: Worker,
	request: CodecRequest,
	ms: number | undefined,
): Promise<Exclude<CodecAnswer, { readonly error: string }>> {
	return new Promise((resolve, reject) => {
		const timer = ms && setTimeout(() => reject(new Error(`it took longer than ${ms} ms`)), ms);
		worker.onmessage = ({ data }: MessageEvent<CodecAnswer>) => {
			clearTimeout(timer);
			if (data !== "ready" && "error" in data) reject(new Error(data.error));
			else resolve(data);
		};
		worker.onerror = ({ message }) => reject(new Error(message || "the worker of the codecs does not start"));
		worker.postMessage(request);
	});
}
