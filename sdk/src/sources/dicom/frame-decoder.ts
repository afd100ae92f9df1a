import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { ConfigError } from "../../errors.js";
import { CodecInstance } from "./codec-instance.js";
import { type DecodedFrame, mostDecodeMs } from "./decoded-frame.js";
import type { PixelFormat } from "./pixel-format.js";
import { runBounded } from "./run-bounded.js";
import type { PixelCodec } from "./transfer-syntaxes.js";
import { type WebAssemblyModule, webAssembly } from "./web-assembly.js";

const file = "dcmjs-codecs/build/dcmjs-native-codecs.wasm";

// 4 MB of WebAssembly, compiled once, and only when a file is compressed: V8 keeps some kilobytes of each compilation for ever.
let compiling: Promise<WebAssemblyModule> | undefined;
let codecs: CodecInstance | undefined;

/** @throws ConfigError `PSGL_DICOM_CODECS` */
async function compile(): Promise<WebAssemblyModule> {
	try {
		return await webAssembly.compile(await readFile(fileURLToPath(import.meta.resolve(file))));
	} catch (cause) {
		compiling = undefined;
		throw new ConfigError("PSGL_DICOM_CODECS", {
			what: "the codecs of compressed DICOM files cannot be loaded",
			got: cause instanceof Error ? cause.message : String(cause),
			expected: file,
			remedy: "Install psgl itself instead of a device bundle, or install dcmjs-codecs beside @psgl/sdk",
			cause,
		});
	}
}

/**
 * Decodes one compressed frame.
 * @throws ConfigError `PSGL_DICOM_CODECS`
 * @throws Error of the codec when the frame is damaged, or when it computes longer than `dicomLimits` allow: a damaged JPEG can have it go on for ever
 */
export async function decodeFrame(
	codec: Exclude<PixelCodec, "none">,
	encoded: Uint8Array,
	format: PixelFormat,
): Promise<DecodedFrame> {
	let attempts = 0;
	const start = async () => {
		// Stopped before.
		if (attempts++ > 0) codecs = undefined;
		compiling ??= compile();
		codecs ??= await CodecInstance.create(await compiling);
		const instance = codecs;
		return () => instance.decode(codec, encoded, format);
	};
	try {
		return await runBounded(start, mostDecodeMs(format));
	} catch (error) {
		// A codec that threw, or was stopped, keeps the memory of its frame, and may be in any state: the next frame gets a fresh one.
		codecs = undefined;
		throw error;
	}
}
