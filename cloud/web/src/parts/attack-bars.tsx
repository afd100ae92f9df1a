import type { Audit } from "../api.js";
import { figure } from "../format.js";
import { useWidth } from "./use-width.js";

const [row, right, top, bottom] = [30, 24, 26, 24];

/** Similarity of what each attack rebuilt, from the mean sample on; a tick marks the same attack without a defence. */
export function AttackBars({ audit }: { audit: Audit }) {
	const { ref, width } = useWidth(640);
	const left = width < 480 ? 110 : 150;
	const { anchors, reconstructions, similarity } = audit;
	const mean = anchors.mean ?? 0;
	const bars = reconstructions.toSorted((a, b) => (b.defended.similarity ?? 0) - (a.defended.similarity ?? 0));
	const x = (value: number) => left + Math.min(Math.max(value, 0), 1) * (width - left - right);
	const height = top + row * bars.length + bottom;
	const named = [
		[anchors.mean, "mean"],
		[anchors.undefended, "undefended"],
	] as const;
	return (
		<div ref={ref} class="chart">
			<p class="muted small">
				Similarity of what is rebuilt to the original. A bar begins at the mean sample; a stroke is the same attack
				without a defence.
			</p>
			<svg
				role="img"
				aria-label={`Similarity (${similarity}) of each attack: ${bars.map(({ name, defended }) => `${name} ${figure(defended.similarity, 2)}`).join(", ")}; the mean sample ${figure(anchors.mean, 2)}`}
				width={width}
				height={height}
			>
				{[0, 0.25, 0.5, 0.75, 1].map((value) => (
					<g key={value}>
						<line class="rule" x1={x(value)} y1={top} x2={x(value)} y2={height - bottom} />
						<text x={x(value)} y={height - 6} text-anchor="middle">
							{value}
						</text>
					</g>
				))}
				{named.map(
					([value, name]) =>
						value !== null && (
							<g key={name}>
								<line class="anchor" x1={x(value)} y1={top - 8} x2={x(value)} y2={height - bottom} />
								<text x={x(value)} y={top - 13} text-anchor="end">
									{name} {figure(value, 2)}
								</text>
							</g>
						),
				)}
				{bars.map(({ name, defended, undefended, weak }, i) => {
					const found = defended.similarity ?? mean;
					const y = top + row * i;
					const [from, to] = [Math.min(x(mean), x(found)), Math.max(x(mean), x(found))];
					return (
						<g key={name}>
							<text x={left - 10} y={y + 19} text-anchor="end">
								{name}
							</text>
							<rect
								class={weak ? "bar weak" : "bar"}
								x={from}
								y={y + 7}
								width={Math.max(to - from, 2)}
								height={16}
								rx={3}
							/>
							{undefended.similarity !== null && (
								<line class="free" x1={x(undefended.similarity)} y1={y + 4} x2={x(undefended.similarity)} y2={y + 26} />
							)}
						</g>
					);
				})}
			</svg>
		</div>
	);
}
