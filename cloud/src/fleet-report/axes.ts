import { escaped } from "../audit-report/html.js";

/** Where a chart draws, in pixels of its view box. */
export const frame = { width: 520, height: 230, left: 52, right: 14, top: 14, bottom: 36 } as const;

/** From values to places on a chart. */
export interface Axes {
	readonly x: (value: number) => number;
	readonly y: (value: number) => number;
}

export interface AxesOptions {
	/** Largest value to the right; the least is 0. */
	readonly right: number;
	/** Largest value at the top; the least is 0. */
	readonly top: number;
	readonly xTicks: readonly { readonly at: number; readonly text: string }[];
	readonly xTitle: string;
	readonly yText: (value: number) => string;
}

/** Axes with their grid as SVG. */
export function axes({ right, top, xTicks, xTitle, yText }: AxesOptions): Axes & { readonly svg: string } {
	const { width, height, left, right: margin, top: above, bottom } = frame;
	const x = (value: number) => left + (value / right) * (width - left - margin);
	const y = (value: number) => height - bottom - (value / top) * (height - above - bottom);
	const rungs = [0, 0.25, 0.5, 0.75, 1].map((share) => {
		const at = y(share * top).toFixed(1);
		return `<line class="${share === 0 ? "base" : "rung"}" x1="${left}" y1="${at}" x2="${width - margin}" y2="${at}"/><text x="${left - 7}" y="${(y(share * top) + 3.5).toFixed(1)}" text-anchor="end">${escaped(yText(share * top))}</text>`;
	});
	const marks = xTicks.map(
		({ at, text }) =>
			`<text x="${x(at).toFixed(1)}" y="${height - bottom + 16}" text-anchor="middle">${escaped(text)}</text>`,
	);
	const title = `<text x="${((left + width - margin) / 2).toFixed(1)}" y="${height - 4}" text-anchor="middle">${escaped(xTitle)}</text>`;
	return { x, y, svg: [...rungs, ...marks, title].join("") };
}

/** The least number that is not below `value` and whose quarters are round: 1, 2, 4 or 8 times a power of ten. */
export function roundedUp(value: number): number {
	if (!(value > 0)) return 1;
	const power = 10 ** Math.floor(Math.log10(value));
	return ([1, 2, 4, 8, 10].find((step) => step * power >= value * 0.9999) as number) * power;
}

/** A chart around what is drawn in it. @param title what it shows, also for screen readers */
export function chart(title: string, inside: string): string {
	const { width, height } = frame;
	return `<svg role="img" viewBox="0 0 ${width} ${height}" aria-label="${escaped(title)}"><title>${escaped(title)}</title>${inside}</svg>`;
}
