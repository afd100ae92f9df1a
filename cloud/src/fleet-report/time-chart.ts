import { escaped } from "../audit-report/html.js";
import { axes, chart, frame, roundedUp } from "./axes.js";

export interface TimeCurve {
	readonly name: string;
	/** Hours since the start, and the value then. */
	readonly points: readonly (readonly [hours: number, value: number])[];
	/** Colour class, 1 to 4. */
	readonly colour: 1 | 2 | 3 | 4;
	/** A mark at each point. */
	readonly marks?: boolean;
	/** Colour what is under it. */
	readonly filled?: boolean;
}

export interface TimeChartOptions {
	readonly title: string;
	readonly hours: number;
	/** Largest value of the axis; default: above all points. */
	readonly top?: number;
	readonly text: (value: number) => string;
	/** A line across, with its name. */
	readonly level?: { readonly value: number; readonly name: string } | undefined;
}

/** Curves over simulated time as an SVG. */
export function timeChart(curves: readonly TimeCurve[], { title, hours, top, text, level }: TimeChartOptions): string {
	const highest = top ?? roundedUp(Math.max(0, ...curves.flatMap(({ points }) => points.map(([, value]) => value))));
	const byDay = hours >= 48;
	const unit = byDay ? 24 : 1;
	const step = Math.max(1, Math.ceil(hours / unit / 8)) * unit;
	const xTicks = Array.from({ length: Math.floor(hours / step + 1e-9) + 1 }, (_, i) => {
		return { at: i * step, text: String((i * step) / unit) };
	});
	const made =
		hours < 2 ? { ticks: minuteTicks(hours), name: "minutes" } : { ticks: xTicks, name: byDay ? "days" : "hours" };
	const { x, y, svg } = axes({ right: hours, top: highest, xTicks: made.ticks, xTitle: made.name, yText: text });
	const drawn = curves.map(({ name, points, colour, marks, filled }) => {
		const corners = points.map(([at, value]) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`);
		const [first, last] = [points[0], points.at(-1)];
		if (first === undefined || last === undefined) return "";
		const base = (frame.height - frame.bottom).toFixed(1);
		const area = filled
			? `<polygon class="area c${colour}" points="${x(first[0]).toFixed(1)},${base} ${corners.join(" ")} ${x(last[0]).toFixed(1)},${base}"/>`
			: "";
		const dots = marks
			? points
					.map(([at, value], i) => {
						const [cx, cy] = (corners[i] as string).split(",");
						return `<circle class="dot c${colour}" cx="${cx}" cy="${cy}" r="3"><title>${escaped(`${name}, hour ${at.toFixed(1)}: ${text(value)}`)}</title></circle>`;
					})
					.join("")
			: "";
		return `${area}<polyline class="line c${colour}" points="${corners.join(" ")}"/>${dots}`;
	});
	const across =
		level === undefined
			? ""
			: `<line class="level" x1="${frame.left}" y1="${y(level.value).toFixed(1)}" x2="${frame.width - frame.right}" y2="${y(level.value).toFixed(1)}"/><text x="${frame.width - frame.right}" y="${(y(level.value) - 4).toFixed(1)}" text-anchor="end">${escaped(level.name)}</text>`;
	return chart(title, `${svg}${drawn.join("")}${across}`);
}

function minuteTicks(hours: number): readonly { at: number; text: string }[] {
	const minutes = hours * 60;
	const step = roundedUp(minutes / 8);
	return Array.from({ length: Math.floor(minutes / step + 1e-9) + 1 }, (_, i) => {
		return { at: (i * step) / 60, text: String(Number((i * step).toFixed(2))) };
	});
}
