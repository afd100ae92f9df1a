import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

interface CardProps {
	readonly title: string;
	/** Beside the title. */
	readonly aside?: ComponentChildren;
	readonly wide?: boolean;
	readonly children: ComponentChildren;
}

/** A part of a view with a heading of its own. */
export function Card({ title, aside, wide = false, children }: CardProps) {
	const id = useId();
	return (
		<section class={wide ? "card wide" : "card"} aria-labelledby={id}>
			<header>
				<h2 id={id}>{title}</h2>
				{aside}
			</header>
			{children}
		</section>
	);
}
