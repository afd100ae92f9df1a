import { escaped } from "../audit-report/html.js";
import { axes, chart, roundedUp } from "./axes.js";

/** A kind of link and its answers by how long they took. */
export interface LagCounts {
	readonly name: string;
	readonly counts: readonly number[];
	readonly colour: 1 | 2 | 3 | 4;
}

/** How long answers took, in doubling classes, links on top of each other, as an SVG. @param edgesMs upper ends of the classes; the last one has none */
export function lagChart(links: readonly LagCounts[], edgesMs: readonly number[]): string {
	const totals = Array.from({ length: edgesMs.length + 1 }, (_, i) =>
		links.reduce((sum, { counts }) => sum + (counts[i] ?? 0), 0),
	);
	const first = Math.max(0, totals.findIndex((count) => count > 0) - 1);
	const last = Math.max(
		first + 1,
		totals.findLastIndex((count) => count > 0),
	);
	const classes = last - first + 1;
	const top = roundedUp(Math.max(...totals));
	const every = Math.ceil(classes / 8);
	const xTicks = Array.from({ length: classes }, (_, i) => i)
		.filter((i) => i % every === every - 1 && first + i < edgesMs.length)
		.map((i) => ({ at: i + 1, text: duration(edgesMs[first + i] as number) }));
	const { x, y, svg } = axes({
		right: classes,
		top,
		xTicks,
		xTitle: "from sending a batch to its gradient, at most",
		yText: (value) => compact(value),
	});
	const bars = Array.from({ length: classes }, (_, i) => {
		let below = 0;
		return links
			.map(({ name, counts, colour }) => {
				const count = counts[first + i] ?? 0;
				if (count === 0) return "";
				const [from, to] = [y(below), y(below + count)];
				below += count;
				const edge = edgesMs[first + i];
				const words = `${name}: ${count.toLocaleString("en-US")} ${edge === undefined ? "longer" : `within ${duration(edge)}`}`;
				return `<rect class="bar c${colour}" x="${(x(i) + 1).toFixed(1)}" y="${to.toFixed(1)}" width="${(x(i + 1) - x(i) - 2).toFixed(1)}" height="${Math.max(0.5, from - to).toFixed(1)}"><title>${escaped(words)}</title></rect>`;
			})
			.join("");
	});
	return chart("how long answers to batches took", svg + bars.join(""));
}

/** Milliseconds for people. */
export function duration(ms: number): string {
	if (ms < 1000) return `${Math.round(ms)} ms`;
	if (ms < 60_000) return `${trimmed(ms / 1000)} s`;
	if (ms < 3_600_000) return `${trimmed(ms / 60_000)} min`;
	return `${trimmed(ms / 3_600_000)} h`;
}

/** A count for people, short. */
export function compact(value: number): string {
	return value.toLocaleString("en-US", { notation: "compact", maximumFractionDigits: 1 });
}

function trimmed(value: number): string {
	return String(Number(value.toFixed(value < 10 ? 1 : 0)));
}
