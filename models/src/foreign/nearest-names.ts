/** The `count` names with the fewest letters to change, add or leave out (Levenshtein distance), nearest first. */
export function nearestNames(wanted: string, names: Iterable<string>, count = 3): readonly string[] {
	return [...names]
		.map((name) => ({ name, distance: editDistance(wanted, name) }))
		.sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1))
		.slice(0, count)
		.map(({ name }) => name);
}

function editDistance(a: string, b: string): number {
	let above = Array.from({ length: b.length + 1 }, (_, j) => j);
	for (let i = 1; i <= a.length; i++) {
		const row = [i];
		for (let j = 1; j <= b.length; j++) {
			const changed = (above[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
			row.push(Math.min(changed, (above[j] as number) + 1, (row[j - 1] as number) + 1));
		}
		above = row;
	}
	return above[b.length] as number;
}
