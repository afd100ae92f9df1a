/** Text that is safe inside HTML, in elements and in quoted attributes. */
export function escaped(text: string): string {
	const entities: Readonly<Record<string, string>> = {
		"&": "&amp;",
		"<": "&lt;",
		">": "&gt;",
		'"': "&quot;",
		"'": "&#39;",
	};
	return text.replaceAll(/[&<>"']/g, (character) => entities[character] as string);
}

/** A table of texts; a first column of names, the rest stands right. `strong`: rows that stand out. */
export function htmlTable(
	head: readonly string[],
	rows: readonly (readonly string[])[],
	strong: readonly number[] = [],
): string {
	const cells = (row: readonly string[], tag: "td" | "th") =>
		row.map((cell) => `<${tag}>${escaped(cell)}</${tag}>`).join("");
	const body = rows.map((row, i) => `<tr${strong.includes(i) ? ' class="worst"' : ""}>${cells(row, "td")}</tr>`);
	return `<table><thead><tr>${cells(head, "th")}</tr></thead><tbody>\n${body.join("\n")}\n</tbody></table>`;
}
