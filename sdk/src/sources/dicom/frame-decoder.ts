import { type DecodedFrame, mostDecodeMs } from "./decoded-frame.js";
import type { PixelFormat } from "./pixel-format.js";
import { runBounded } from "./run-bounded.js";
import type { PixelCodec } from "./transfer-syntaxes.js";

// The one place that loads the codecs: 4 MB of WebAssembly, compiled once, and only when a file is compressed.
let loading: Promise<typeof import("dcmjs-codecs")> | undefined;

async function loadCodecs(): Promise<typeof import("dcmjs-codecs")> {
	const { default: codecs } = await import("dcmjs-codecs");
	codecs.log.setLevel("silent");
	await codecs.NativeCodecs.initializeAsync();
	return codecs;
}

/**
 * Decodes one compressed frame.
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
		if (attempts++ > 0) loading = undefined;
		loading ??= loadCodecs();
		const { NativeCodecs, Context } = await loading;
		const context = new Context({
			width: format.columns,
			height: format.rows,
			bitsAllocated: format.bitsAllocated,
			bitsStored: format.bitsStored,
			samplesPerPixel: format.samplesPerPixel,
			pixelRepresentation: format.signed ? 1 : 0,
			planarConfiguration: format.planar ? 1 : 0,
			photometricInterpretation: format.photometric,
			encodedBuffer: encoded,
		});
		return () => decodeWith(NativeCodecs, codec, context);
	};
	try {
		const result = await runBounded(start, mostDecodeMs(format));
		return {
			bytes: result.getDecodedBuffer() ?? new Uint8Array(0),
			planar: result.getPlanarConfiguration() === 1,
			photometric: result.getPhotometricInterpretation() ?? format.photometric,
		};
	} catch (error) {
		// A codec that threw, or was stopped, keeps the memory of its frame, and may be in any state: the next frame gets a fresh one.
		loading = undefined;
		throw error;
	}
}

function decodeWith(
	codecs: typeof import("dcmjs-codecs").NativeCodecs,
	codec: Exclude<PixelCodec, "none">,
	context: InstanceType<typeof import("dcmjs-codecs").Context>,
) {
	switch (codec) {
		case "rle":
			return codecs.decodeRle(context);
		case "jpeg":
			return codecs.decodeJpeg(context, { convertColorspaceToRgb: context.getSamplesPerPixel() === 3 });
		case "jpeg-ls":
			return codecs.decodeJpegLs(context);
		case "jpeg-2000":
			return codecs.decodeJpeg2000(context);
	}
}
