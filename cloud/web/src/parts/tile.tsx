import type { ComponentChildren } from "preact";

interface TileProps {
	readonly name: string;
	readonly value: ComponentChildren;
	readonly note?: ComponentChildren;
	/** Share of a whole, drawn as a bar. */
	readonly share?: number | undefined;
	readonly tone?: "good" | "warn" | "bad" | undefined;
}

/** One figure that is read from across the room. */
export function Tile({ name, value, note, share, tone }: TileProps) {
	return (
		<div class={`tile ${tone ?? ""}`}>
			<dt>{name}</dt>
			<dd>
				<b>{value}</b>
				{note !== undefined && <span class="muted">{note}</span>}
				{share !== undefined && <progress value={share} max={1} aria-label={name} />}
			</dd>
		</div>
	);
}

/** Tiles beside one another. */
export function Tiles({ children }: { children: ComponentChildren }) {
	return <dl class="tiles">{children}</dl>;
}
