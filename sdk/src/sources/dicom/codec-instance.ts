import type { DecodedFrame } from "./decoded-frame.js";
import type { PixelFormat } from "./pixel-format.js";
import type { PixelCodec } from "./transfer-syntaxes.js";
import { type WebAssemblyModule, webAssembly } from "./web-assembly.js";

/** Numbers of photometric interpretations in the codecs' interface. */
const photometrics = [
	...["MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_422"],
	...["YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT", "CMYK", "ARGB", "HSV", "XYB"],
];

const decoders = {
	rle: "DecodeRle",
	jpeg: "DecodeJpeg",
	"jpeg-ls": "DecodeJpegLs",
	"jpeg-2000": "DecodeJpeg2000",
} as const;

/** Result of a WASI function that did what it was asked for. */
const done = 0;

/** What the module exports: its memory, and functions of numbers. */
type Exports = Readonly<Record<string, (...values: number[]) => number>> & {
	readonly memory: { readonly buffer: ArrayBuffer };
};

/**
 * The codecs of the package dcmjs-codecs (MIT) by their WebAssembly alone: the package's own script needs `eval` to fetch it, which the security
 * policy of a page forbids, and compiles it anew each time it is started. After an error make another one: a codec that threw keeps the memory of
 * its frame.
 */
export class CodecInstance {
	readonly #exports: Exports;

	private constructor(exports: Exports) {
		this.#exports = exports;
	}

	/** @param module of `dcmjs-codecs/build/dcmjs-native-codecs.wasm` */
	static async create(module: WebAssemblyModule): Promise<CodecInstance> {
		let exports: Exports | undefined;
		const text = (at: number, length: number) =>
			String.fromCharCode(...new Uint8Array((exports as Exports).memory.buffer, at, length));
		const view = () => new DataView((exports as Exports).memory.buffer);
		const { exports: found } = await webAssembly.instantiate(module, {
			env: {
				emscripten_notify_memory_growth: () => undefined,
				onCodecsInfo: () => undefined,
				onCodecsTrace: () => undefined,
				onCodecsException: (at: number, length: number) => {
					throw new Error(text(at, length));
				},
			},
			wasi_snapshot_preview1: {
				environ_get: () => done,
				environ_sizes_get: (count: number, bytes: number) => {
					view().setUint32(count, 0, true);
					view().setUint32(bytes, 0, true);
					return done;
				},
				clock_time_get: (_clock: number, _precision: bigint, at: number) => {
					view().setBigUint64(at, 0n, true);
					return done;
				},
				// What the codecs print is counted as written, and not shown: it is about the file.
				fd_write: (_file: number, parts: number, count: number, written: number) => {
					let bytes = 0;
					for (let i = 0; i < count; i++) bytes += view().getUint32(parts + 8 * i + 4, true);
					view().setUint32(written, bytes, true);
					return done;
				},
				fd_seek: () => done,
				fd_close: () => done,
				proc_exit: (code: number) => {
					throw new Error(`the codec ended with ${code}`);
				},
			},
		});
		exports = found as Exports;
		return new CodecInstance(exports);
	}

	/** Decodes one compressed frame. @throws Error of the codec when it is damaged. */
	decode(codec: Exclude<PixelCodec, "none">, encoded: Uint8Array, format: PixelFormat): DecodedFrame {
		const wasm = this.#exports;
		const call = (name: string, ...values: number[]) => (wasm[name] as (...values: number[]) => number)(...values);
		const context = call("CreateCodecsContext");
		call("SetColumns", context, format.columns);
		call("SetRows", context, format.rows);
		call("SetBitsAllocated", context, format.bitsAllocated);
		call("SetBitsStored", context, format.bitsStored);
		call("SetSamplesPerPixel", context, format.samplesPerPixel);
		call("SetPixelRepresentation", context, format.signed ? 1 : 0);
		call("SetPlanarConfiguration", context, format.planar ? 1 : 0);
		call("SetPhotometricInterpretation", context, photometrics.indexOf(format.photometric));
		call("SetEncodedBufferSize", context, encoded.length);
		// The memory is another one after it has grown.
		const at = call("GetEncodedBuffer", context);
		new Uint8Array(wasm.memory.buffer).set(encoded, at);
		const parameters = call("CreateDecoderParameters");
		call("SetConvertColorspaceToRgb", parameters, codec === "jpeg" && format.samplesPerPixel === 3 ? 1 : 0);
		call(decoders[codec], context, parameters);
		call("ReleaseDecoderParameters", parameters);
		const start = call("GetDecodedBuffer", context);
		const frame: DecodedFrame = {
			bytes: new Uint8Array(wasm.memory.buffer, start, call("GetDecodedBufferSize", context)).slice(),
			planar: call("GetPlanarConfiguration", context) === 1,
			photometric: photometrics[call("GetPhotometricInterpretation", context)] ?? format.photometric,
		};
		call("ReleaseCodecsContext", context);
		return frame;
	}
}
