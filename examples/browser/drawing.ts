import type { Drawing } from "./messages.js";

/** Draws a sample [C,H,W] in [0,1]: grey, or red, green and blue. */
export function drawPicture(canvas: HTMLCanvasElement, { shape, values }: Drawing): void {
	const [channels = 1, height = 1, width = 1] = shape;
	paint(canvas, width, height, (pixel, c) => {
		const plane = channels === 3 ? c : 0;
		return 255 * (values[plane * width * height + pixel] as number);
	});
}

/** Draws smashed data [C,H,W] as a mosaic of their channels, each from its smallest value (black) to its largest (white). */
export function drawMosaic(canvas: HTMLCanvasElement, { shape, values }: Drawing): void {
	const [channels = 1, height = 1, width = 1] = shape;
	const columns = Math.ceil(Math.sqrt(channels));
	const rows = Math.ceil(channels / columns);
	const size = height * width;
	const ranges = Array.from({ length: channels }, (_, c) => {
		const plane = values.subarray(c * size, (c + 1) * size);
		const low = plane.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
		const high = plane.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
		return { low, factor: high > low ? 255 / (high - low) : 0 };
	});
	paint(canvas, columns * width, rows * height, (pixel) => {
		const y = Math.floor(pixel / (columns * width));
		const x = pixel % (columns * width);
		const channel = Math.floor(y / height) * columns + Math.floor(x / width);
		const range = ranges[channel];
		if (range === undefined) return 0;
		const value = values[channel * size + (y % height) * width + (x % width)] as number;
		return (value - range.low) * range.factor;
	});
}

function paint(
	canvas: HTMLCanvasElement,
	width: number,
	height: number,
	value: (pixel: number, channel: number) => number,
): void {
	canvas.width = width;
	canvas.height = height;
	const image = new ImageData(width, height);
	for (let pixel = 0; pixel < width * height; pixel++) {
		for (let c = 0; c < 3; c++) image.data[4 * pixel + c] = value(pixel, c);
		image.data[4 * pixel + 3] = 255;
	}
	canvas.getContext("2d")?.putImageData(image, 0, 0);
}
