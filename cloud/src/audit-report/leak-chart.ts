import { escaped } from "./html.js";

/** One network on the chart. */
export interface LeakPoint {
	readonly name: string;
	/** Balanced accuracy in [0,1]. */
	readonly utility: number;
	readonly leakBeyondLabel: number;
}

const [width, height] = [560, 300];
const [left, right, top, bottom] = [56, 20, 16, 44];
/** Width of a letter, about. */
const letter = 6;
/** Where a name may stand, below its point: the first place is taken where it lies on no other name. */
const besides = [-8, 18, -21, 31, -34, 44, -47, -60, -73];

const isMeasured = ({ utility, leakBeyondLabel }: LeakPoint) => Number.isFinite(utility + leakBeyondLabel);

/**
 * Privacy against utility as an SVG: up is what leaks beyond the label, to the right how well the network decides.
 * @param curve points that are joined, in their order
 */
export function leakChart(points: readonly LeakPoint[], curve: readonly LeakPoint[] = []): string {
	const joined = curve.filter(isMeasured);
	const shown = [...points.filter(isMeasured), ...joined];
	if (shown.length === 0) return "";
	const utilities = shown.map(({ utility }) => utility);
	const least = Math.max(0, Math.floor(20 * Math.min(...utilities) - 0.5) / 20);
	const most = Math.min(1, Math.ceil(20 * Math.max(...utilities) + 0.5) / 20);
	const highest = Math.max(1, Math.ceil(5 * Math.max(...shown.map(({ leakBeyondLabel }) => leakBeyondLabel))) / 5);
	const lowest = Math.min(0, Math.floor(5 * Math.min(...shown.map(({ leakBeyondLabel }) => leakBeyondLabel))) / 5);
	const x = (utility: number) => left + ((utility - least) / (most - least)) * (width - left - right);
	const y = (leak: number) => height - bottom - ((leak - lowest) / (highest - lowest)) * (height - top - bottom);
	const line = (x1: number, y1: number, x2: number, y2: number, kind: string) =>
		`<line class="${kind}" x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}"/>`;
	const text = (at: number, down: number, words: string, anchor: "start" | "middle" | "end") =>
		`<text x="${at.toFixed(1)}" y="${down.toFixed(1)}" text-anchor="${anchor}">${escaped(words)}</text>`;
	const rungs = ticks(lowest, highest, 0.2).flatMap((leak) => [
		line(left, y(leak), width - right, y(leak), leak === 0 ? "zero" : "rung"),
		text(left - 8, y(leak) + 4, leak.toFixed(1), "end"),
	]);
	const marks = ticks(least, most, (most - least) / 4).map((share) =>
		text(x(share), height - bottom + 18, `${(100 * share).toFixed(1)} %`, "middle"),
	);
	const corners = joined.map(
		({ utility, leakBeyondLabel }) => `${x(utility).toFixed(1)},${y(leakBeyondLabel).toFixed(1)}`,
	);
	const path = corners.length > 1 ? [`<polyline points="${corners.join(" ")}"/>`] : [];
	const placed: { readonly from: number; readonly to: number; readonly at: number }[] = [];
	const dots = shown.flatMap(({ name, utility, leakBeyondLabel }) => {
		const [across, down] = [x(utility), y(leakBeyondLabel)];
		const toLeft = across > width / 2;
		const length = name.length * letter;
		const [from, to] = toLeft ? [across - 10 - length, across - 10] : [across + 10, across + 10 + length];
		const isFree = (at: number) =>
			at > letter && placed.every((other) => Math.abs(other.at - at) > 11 || other.to < from || other.from > to);
		const at = besides.map((beside) => down + beside).find(isFree) ?? down - 8;
		placed.push({ from, to, at });
		return [
			`<circle cx="${across.toFixed(1)}" cy="${down.toFixed(1)}" r="5"><title>${escaped(name)}</title></circle>`,
			text(toLeft ? to : from, at, name, toLeft ? "end" : "start"),
		];
	});
	return `<svg class="chart" role="img" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}"><title>leakBeyondLabel against balanced accuracy</title>
${[...rungs, ...marks, ...path, ...dots].join("\n")}
${text((left + width - right) / 2, height - 6, "balanced accuracy on the test part", "middle")}
<text transform="translate(14 ${(top + height - bottom) / 2}) rotate(-90)" text-anchor="middle">leakBeyondLabel</text></svg>`;
}

function ticks(from: number, to: number, by: number): readonly number[] {
	return Array.from({ length: Math.round((to - from) / by) + 1 }, (_, i) => Number((from + i * by).toFixed(6)));
}
