export interface TableColumn {
	readonly title: string;
	/** Numbers stand right. */
	readonly align?: "left" | "right";
}

/** A table with a rule under its head, columns as wide as their longest cell. */
export function formatTable(columns: readonly TableColumn[], rows: readonly (readonly string[])[]): string {
	const widths = columns.map(({ title }, c) => Math.max(title.length, ...rows.map((row) => (row[c] ?? "").length)));
	const line = (cells: readonly string[]): string =>
		columns
			.map(({ align }, c) => {
				const cell = cells[c] ?? "";
				return align === "right" ? cell.padStart(widths[c] as number) : cell.padEnd(widths[c] as number);
			})
			.join("  ")
			.trimEnd();
	return [
		line(columns.map(({ title }) => title)),
		widths.map((width) => "-".repeat(width)).join("  "),
		...rows.map(line),
	].join("\n");
}
