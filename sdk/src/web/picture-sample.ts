/** [C,H,W] of a model's input: 1 channel (grey) or 3 (RGB). */
export type PictureShape = readonly [channels: number, height: number, width: number];

/** Rec. 709 weights of red, green and blue in grey. */
const luma = [0.2126, 0.7152, 0.0722] as const;

/**
 * A picture's pixels as a model takes them: uint8 planes of `shape`. Resized as a whole; black bars fill what is missing,
 * nothing is cut off or stretched. Turned as its EXIF data say, laid on black where transparent. Browsers decode to eight
 * bits a channel: deeper pictures lose what is below.
 */
export function pictureSample(picture: ImageBitmap | VideoFrame | HTMLVideoElement, shape: PictureShape): Uint8Array {
	const [channels, height, width] = shape;
	const canvas = new OffscreenCanvas(width, height);
	const context = canvas.getContext("2d", { willReadFrequently: true, alpha: false });
	if (context === null) throw new Error("the browser gives no 2d canvas");
	context.imageSmoothingQuality = "high";
	const [from, to] = [sizeOf(picture), [width, height] as const];
	const scale = Math.min(to[0] / from[0], to[1] / from[1]);
	const drawn = [from[0] * scale, from[1] * scale] as const;
	context.drawImage(picture, (to[0] - drawn[0]) / 2, (to[1] - drawn[1]) / 2, ...drawn);
	return toPlanes(context.getImageData(0, 0, width, height).data, channels);
}

function sizeOf(picture: ImageBitmap | VideoFrame | HTMLVideoElement): readonly [width: number, height: number] {
	if ("videoWidth" in picture) return [picture.videoWidth, picture.videoHeight];
	if ("displayWidth" in picture) return [picture.displayWidth, picture.displayHeight];
	return [picture.width, picture.height];
}

/** RGBA, interleaved, to planes of grey or of red, green and blue. */
function toPlanes(rgba: Uint8ClampedArray, channels: number): Uint8Array {
	const pixels = rgba.length / 4;
	const planes = new Uint8Array(channels * pixels);
	for (let p = 0; p < pixels; p++) {
		const at = 4 * p;
		if (channels === 1) {
			const grey = luma.reduce((sum, weight, c) => sum + weight * (rgba[at + c] as number), 0);
			planes[p] = Math.round(grey);
		} else {
			for (let c = 0; c < channels; c++) planes[c * pixels + p] = rgba[at + c] as number;
		}
	}
	return planes;
}
