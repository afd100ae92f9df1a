/** A table of text: names of columns, then rows of cells. */
export interface TextTable {
	readonly names: readonly string[];
	readonly rows: readonly (readonly string[])[];
}

/** Reads a table parted by commas, semicolons or tabs, whichever its first line has; quotes around a cell fall away. */
export function parseTextTable(text: string): TextTable {
	const lines = text
		.replace(/^\ufeff/, "")
		.split(/\r?\n/)
		.filter((line) => line.trim() !== "");
	const head = lines[0] ?? "";
	const separator = [";", "\t"].find((candidate) => head.includes(candidate)) ?? ",";
	const split = (line: string) => line.split(separator).map((cell) => cell.trim().replace(/^"(.*)"$/, "$1"));
	return { names: split(head), rows: lines.slice(1).map(split) };
}
