/** 12345 -> 12,345; a dash where it is not known. */
export function count(value: number | null | undefined): string {
	return value === null || value === undefined ? "–" : value.toLocaleString("en-US");
}

/** With so many decimals; a dash where it could not be measured. */
export function figure(value: number | null | undefined, digits = 3): string {
	return value === null || value === undefined ? "–" : value.toFixed(digits);
}

/** A share as a percentage with one decimal. */
export function percent(share: number | null | undefined): string {
	return share === null || share === undefined ? "–" : `${(100 * share).toFixed(1)} %`;
}

/** 1 kB is 1000 bytes, as on a data bill. */
export function bytes(value: number): string {
	const units = ["B", "kB", "MB", "GB", "TB"];
	let [scaled, unit] = [value, 0];
	while (scaled >= 1000 && unit < units.length - 1) {
		scaled /= 1000;
		unit++;
	}
	return `${unit === 0 || scaled >= 100 ? scaled.toFixed(0) : scaled.toFixed(1)} ${units[unit]}`;
}

/** How long ago something was, roughly. */
export function ago(at: string | null, nowMs: number): string {
	if (at === null) return "never";
	const seconds = Math.max(0, Math.round((nowMs - Date.parse(at)) / 1000));
	if (seconds < 5) return "just now";
	if (seconds < 120) return `${seconds} s ago`;
	if (seconds < 7200) return `${Math.round(seconds / 60)} min ago`;
	if (seconds < 172_800) return `${Math.round(seconds / 3600)} h ago`;
	return `${Math.round(seconds / 86_400)} days ago`;
}

/** Date and time on this machine's clock. */
export function moment(at: string): string {
	return new Date(at).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" });
}

/** The beginning of a digest, long enough to compare by eye. */
export function short(digest: string): string {
	return digest.slice(0, 12);
}

/** Names of the streams for people. */
export function streamName(stream: string): string {
	const names: Readonly<Record<string, string>> = {
		A: "Attacked (A)",
		R: "Recovered (R)",
		F: "Fused (F)",
		fused: "Decision",
	};
	return names[stream] ?? stream;
}
