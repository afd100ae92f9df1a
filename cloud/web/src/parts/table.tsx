import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { Scroll } from "./scroll.js";

/** A column of a table. */
export interface Column<R> {
	readonly title: string;
	readonly cell: (row: R) => ComponentChildren;
	/** Numbers stand right. */
	readonly number?: boolean;
}

interface TableProps<R> {
	/** What the table holds, for whoever does not see its surroundings. */
	readonly label: string;
	readonly columns: readonly Column<R>[];
	readonly rows: readonly R[];
	readonly keyOf: (row: R) => string | number;
	readonly empty: string;
	/** Rows shown until somebody asks for all. Default 50. */
	readonly most?: number;
}

/** A table whose rows become cards on a narrow screen. */
export function Table<R>({ label, columns, rows, keyOf, empty, most = 50 }: TableProps<R>) {
	const [all, setAll] = useState(false);
	if (rows.length === 0) return <p class="muted">{empty}</p>;
	return (
		<Scroll label={`${label}, table`}>
			<table>
				<thead>
					<tr>
						{columns.map(({ title, number }) => (
							<th key={title} scope="col" class={number ? "number" : undefined}>
								{title}
							</th>
						))}
					</tr>
				</thead>
				<tbody>
					{(all ? rows : rows.slice(0, most)).map((row) => (
						<tr key={keyOf(row)}>
							{columns.map(({ title, cell, number }, i) =>
								i === 0 ? (
									<th key={title} scope="row">
										{cell(row)}
									</th>
								) : (
									<td key={title} data-title={title} class={number ? "number" : undefined}>
										{cell(row)}
									</td>
								),
							)}
						</tr>
					))}
				</tbody>
			</table>
			{!all && rows.length > most && (
				<button type="button" class="more" onClick={() => setAll(true)}>
					Show all {rows.length}
				</button>
			)}
		</Scroll>
	);
}
