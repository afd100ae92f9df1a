import { useState } from "preact/hooks";
import { ticks } from "./scale.js";
import { useWidth } from "./use-width.js";

/** One line. */
export interface Series {
	readonly name: string;
	/** Colour and dashes, 0 to 3. */
	readonly look: number;
	/** By x; null leaves a gap. */
	readonly points: readonly { readonly x: number; readonly y: number | null }[];
}

interface LineChartProps {
	/** What is drawn, for whoever does not see it. */
	readonly label: string;
	readonly series: readonly Series[];
	readonly xName: string;
	readonly format: (value: number) => string;
	/** Least difference that `format` shows. */
	readonly finest: number;
	/** Values the axis has at least. */
	readonly range?: readonly [number, number];
}

const height = 240;
const [left, right, top, bottom] = [46, 12, 10, 26];

/** Lines over a common axis, with a legend, and the values under the pointer. */
export function LineChart({ label, series, xName, format, finest, range }: LineChartProps) {
	const { ref, width } = useWidth(640);
	const [at, setAt] = useState<number>();
	const drawn = series.filter(({ points }) => points.some(({ y }) => y !== null));
	if (drawn.length === 0) return <p class="muted">Nothing to draw yet.</p>;
	const xs = [...new Set(drawn.flatMap(({ points }) => points.map(({ x }) => x)))].sort((a, b) => a - b);
	const ys = drawn.flatMap(({ points }) => points.flatMap(({ y }) => y ?? []));
	const [least, most] = range ?? [Math.min(...ys), Math.max(...ys)];
	const yTicks = ticks(Math.min(least, ...ys), Math.max(most, ...ys), 4, finest);
	const [y0, y1] = [yTicks[0] as number, yTicks.at(-1) as number];
	const [x0, x1] = [xs[0] as number, xs.at(-1) as number];
	const px = (x: number) => left + ((x - x0) / Math.max(x1 - x0, 1e-9)) * (width - left - right);
	const py = (y: number) => top + ((y1 - y) / (y1 - y0)) * (height - top - bottom);
	const xTicks = ticks(x0, x1, Math.max(2, Math.floor(width / 110))).filter(
		(x) => x >= x0 && x <= x1 && Number.isInteger(x),
	);
	const near = (event: PointerEvent) => {
		const box = (event.currentTarget as Element).getBoundingClientRect();
		const x = event.clientX - box.left;
		setAt(xs.reduce((best, each) => (Math.abs(px(each) - x) < Math.abs(px(best) - x) ? each : best), x0));
	};
	const values = drawn.map(({ points }) => points.find(({ x }) => x === (at ?? x1))?.y ?? null);
	return (
		<figure class="chart">
			<ul class="legend" aria-label={`${label}: ${xName} ${at ?? x1}`}>
				{drawn.map(({ name, look }, i) => (
					<li key={name}>
						<svg width="22" height="10" aria-hidden="true">
							<line class={`line look${look}`} x1="1" y1="5" x2="21" y2="5" />
						</svg>
						{name} <b>{values[i] === null || values[i] === undefined ? "–" : format(values[i])}</b>
					</li>
				))}
				<li class="muted">
					{xName} {at ?? x1}
				</li>
			</ul>
			<div ref={ref}>
				<svg
					role="img"
					aria-label={`${label}, ${drawn.length} lines over ${xs.length} points`}
					width={width}
					height={height}
					onPointerMove={near}
					onPointerLeave={() => setAt(undefined)}
				>
					{yTicks.map((y) => (
						<g key={y}>
							<line class="rule" x1={left} y1={py(y)} x2={width - right} y2={py(y)} />
							<text x={left - 8} y={py(y) + 4} text-anchor="end">
								{format(y)}
							</text>
						</g>
					))}
					{xTicks.map((x) => (
						<text key={x} x={px(x)} y={height - 8} text-anchor="middle">
							{x}
						</text>
					))}
					{at !== undefined && <line class="cursor" x1={px(at)} y1={top} x2={px(at)} y2={height - bottom} />}
					{drawn.map(({ name, look, points }) => (
						<g key={name}>
							<path class={`line look${look}`} d={pathOf(points, px, py)} />
							{points.length <= 24 &&
								points.map(
									({ x, y }) =>
										y !== null && <circle key={x} class={`look${look}`} cx={px(x)} cy={py(y)} r={x === at ? 4 : 2.5} />,
								)}
						</g>
					))}
				</svg>
			</div>
		</figure>
	);
}

function pathOf(points: Series["points"], px: (x: number) => number, py: (y: number) => number): string {
	let pen = "M";
	return points
		.map(({ x, y }) => {
			if (y === null) {
				pen = "M";
				return "";
			}
			const command = `${pen}${px(x).toFixed(1)} ${py(y).toFixed(1)}`;
			pen = "L";
			return command;
		})
		.join("");
}
