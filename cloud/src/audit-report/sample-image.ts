import { pngOf } from "./png.js";

/** Width of a picture in the report, in CSS pixels. */
const side = 84;

/** One sample [C,H,W] or [C,L] as an element of HTML that holds all it shows: a picture, or a plot of a signal. */
export function sampleImage(values: Float32Array, shape: readonly number[], title: string): string {
	return shape.length === 3 ? picture(values, shape, title) : plot(values, shape, title);
}

function picture(
	values: Float32Array,
	[channels = 1, height = 1, width = 1]: readonly number[],
	title: string,
): string {
	return image(pngOf(values, channels === 3 ? 3 : 1, height, width), title, side, (side * height) / width);
}

/** Channels [C,H,W] or [C,L] of smashed data side by side, the range of all of them from black to white; a code as bars. */
export function smashedImage(values: Float32Array, shape: readonly number[], title: string): string {
	if (shape.length === 1) return codeBars(values, title);
	const [channels = 1, height = 1, width = 1] = shape.length === 3 ? shape : [shape[0] ?? 1, 1, shape[1] ?? 1];
	const columns = height === 1 ? 1 : Math.ceil(Math.sqrt(channels));
	const rowCount = Math.ceil(channels / columns);
	const [wide, high] = [columns * width, rowCount * height];
	const all = new Float32Array(wide * high);
	const [least, most] = rangeOf(values);
	for (let c = 0; c < channels; c++) {
		const [left, top] = [(c % columns) * width, Math.floor(c / columns) * height];
		for (let i = 0; i < height * width; i++) {
			const at = (top + Math.floor(i / width)) * wide + left + (i % width);
			all[at] = ((values[c * height * width + i] as number) - least) / (most - least);
		}
	}
	return image(pngOf(all, 1, high, wide), title, side, side);
}

/**
 * Values as bytes: of samples [0,1] from 0 to 255, of smashed data their own range, of a code [-1,1].
 * @param row what the values are
 */
export function levelsOf(
	values: Float32Array,
	{ kind, shape }: { readonly kind: string; readonly shape: readonly number[] },
): Uint8Array {
	const [least, most] = kind !== "smashed" ? [0, 1] : shape.length === 1 ? [-1, 1] : rangeOf(values);
	return Uint8Array.from(values, (value) =>
		Math.round((255 * (Math.min(Math.max(value, least), most) - least)) / (most - least)),
	);
}

/** Least and most of some values, never the same. */
function rangeOf(values: Float32Array): readonly [number, number] {
	let least = Number.POSITIVE_INFINITY;
	let most = Number.NEGATIVE_INFINITY;
	for (const value of values) {
		least = Math.min(least, value);
		most = Math.max(most, value);
	}
	return most > least ? [least, most] : [least, least + 1];
}

/** Levels in [-1,1] of a code as bars up and down from the middle. */
function codeBars(values: Float32Array, title: string): string {
	const step = side / values.length;
	const bars = Array.from(values, (value, i) => {
		const height = (Math.abs(value) * side) / 2;
		const y = value > 0 ? side / 2 - height : side / 2;
		return `<rect x="${(step * (i + 0.15)).toFixed(1)}" y="${y.toFixed(1)}" width="${(0.7 * step).toFixed(1)}" height="${height.toFixed(1)}"/>`;
	});
	return `<svg role="img" width="${side}" height="${side}" viewBox="0 0 ${side} ${side}"><title>${title}</title>${bars.join("")}</svg>`;
}

function image(png: Uint8Array, title: string, width: number, height: number): string {
	const data = Buffer.from(png).toString("base64");
	return `<img alt="${title}" title="${title}" width="${width}" height="${height.toFixed(0)}" src="data:image/png;base64,${data}">`;
}

function plot(values: Float32Array, [channels = 1, length = 1]: readonly number[], title: string): string {
	const height = 48;
	const lines = Array.from({ length: channels }, (_, c) => {
		const points = Array.from(values.subarray(c * length, (c + 1) * length), (value, i) => {
			const x = (side * i) / Math.max(length - 1, 1);
			return `${x.toFixed(1)},${(height * (1 - Math.min(Math.max(value, 0), 1))).toFixed(1)}`;
		});
		return `<polyline points="${points.join(" ")}"/>`;
	});
	return `<svg role="img" width="${side}" height="${height}" viewBox="0 0 ${side} ${height}"><title>${title}</title>${lines.join("")}</svg>`;
}
