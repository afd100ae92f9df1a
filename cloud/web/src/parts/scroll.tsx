import type { ComponentChildren } from "preact";

/** What may be wider than the screen: scrolls by itself, by keyboard too. */
export function Scroll({ label, children }: { label: string; children: ComponentChildren }) {
	return (
		// biome-ignore lint/a11y/noNoninteractiveTabindex: without a place in the order of tabs no key scrolls it (WCAG 2.1.1)
		<section class="scroll" tabIndex={0} aria-label={label}>
			{children}
		</section>
	);
}
