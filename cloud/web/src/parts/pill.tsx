import type { ComponentChildren } from "preact";

export type Tone = "good" | "warn" | "bad" | "plain" | "busy";

/** A state in a word; the colour says nothing that the word does not. */
export function Pill({ tone, children }: { tone: Tone; children: ComponentChildren }) {
	return <span class={`pill ${tone}`}>{children}</span>;
}
