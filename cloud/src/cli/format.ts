/** Bytes for a person: 1 kB is 1000 bytes, as on a data bill. */
export function formatBytes(bytes: number): string {
	if (bytes < 1000) return `${Math.round(bytes)} B`;
	const units = ["kB", "MB", "GB", "TB"];
	let value = bytes / 1000;
	let unit = 0;
	while (value >= 1000 && unit < units.length - 1) {
		value /= 1000;
		unit += 1;
	}
	return `${value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : value.toFixed(0)} ${units[unit]}`;
}

/** 12345 -> 12,345. */
export function formatCount(count: number): string {
	return count.toLocaleString("en-US");
}

/** A fraction as a percentage with one decimal place; a dash where it could not be measured. */
export function formatPercent(fraction: number | undefined): string {
	return fraction === undefined || !Number.isFinite(fraction) ? "-" : `${(100 * fraction).toFixed(1)} %`;
}

/** 12.3 s, or 4 min 05 s. */
export function formatSeconds(seconds: number): string {
	if (seconds < 120) return `${seconds.toFixed(1)} s`;
	return `${Math.floor(seconds / 60)} min ${String(Math.floor(seconds % 60)).padStart(2, "0")} s`;
}
