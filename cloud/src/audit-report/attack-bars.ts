import type { LeakAnchors } from "@psgl/models";
import { escaped } from "./html.js";

/** What an attack got, in similarity to the originals. */
export interface AttackBar {
	readonly name: string;
	readonly defended: number;
	readonly undefended: number;
	readonly weak: boolean;
}

const [width, row, left, right, top] = [640, 26, 160, 24, 34];

/** Every attack as a bar from the mean sample on, the undefended network's as a tick, and the anchors as lines over all. */
export function attackBars(bars: readonly AttackBar[], { mean, classMean, undefended }: LeakAnchors): string {
	if (bars.length === 0) return "";
	const all = [mean, classMean, ...bars.flatMap((bar) => [bar.defended, bar.undefended])].filter(Number.isFinite);
	const least = Math.min(0, ...all);
	const x = (value: number) => left + ((value - least) / (1 - least)) * (width - left - right);
	const height = top + row * bars.length + 8;
	const anchor = (value: number, name: string, at: "start" | "middle" | "end") =>
		Number.isFinite(value)
			? `<line class="anchor" x1="${x(value).toFixed(1)}" y1="${top - 8}" x2="${x(value).toFixed(1)}" y2="${height - 4}"/><text x="${x(value).toFixed(1)}" y="${top - 14}" text-anchor="${at}">${name}</text>`
			: "";
	const lines = bars.map(({ name, defended, undefended: free, weak }, i) => {
		const middle = top + row * i + row / 2;
		const [from, to] = [Math.min(x(mean), x(defended)), Math.max(x(mean), x(defended))];
		return `<text x="${left - 8}" y="${middle + 4}" text-anchor="end">${escaped(name)}</text>
<rect class="${weak ? "weak" : "bar"}" x="${from.toFixed(1)}" y="${middle - 7}" width="${Math.max(to - from, 1).toFixed(1)}" height="14"><title>${escaped(name)}: ${defended.toFixed(3)}</title></rect>
<line class="free" x1="${x(free).toFixed(1)}" y1="${middle - 9}" x2="${x(free).toFixed(1)}" y2="${middle + 9}"><title>undefended: ${free.toFixed(3)}</title></line>`;
	});
	return `<svg class="chart" role="img" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}"><title>similarity of each attack</title>
${lines.join("\n")}
${anchor(mean, "mean", "end")}${anchor(classMean, "class mean", "start")}${anchor(undefended, "undefended", undefended > 0.9 ? "end" : "middle")}</svg>`;
}
