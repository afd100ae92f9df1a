import { readdir, readFile } from "node:fs/promises";
import { setPriority } from "node:os";
import { join } from "node:path";
import type { Host } from "../ports/host.js";

export interface NodeHostOptions {
	/** Folder that holds `class/thermal` and `class/power_supply`. Default `/sys`. */
	readonly root?: string | undefined;
}

/**
 * The machine as Linux shows it: temperatures of `/sys/class/thermal` in thousandths of a degree (Documentation/driver-api/thermal),
 * mains and batteries of `/sys/class/power_supply` (Documentation/ABI/testing/sysfs-class-power).
 */
export function nodeHost({ root = "/sys" }: NodeHostOptions = {}): Host {
	const supplies = join(root, "class", "power_supply");
	return {
		memoryBytes: () => process.memoryUsage.rss(),
		async celsius() {
			const folder = join(root, "class", "thermal");
			const zones = (await entries(folder)).filter((name) => name.startsWith("thermal_zone"));
			const read = await Promise.all(zones.map((zone) => line(join(folder, zone, "temp"))));
			const found = read
				.filter((text) => text !== undefined && /^-?\d+$/.test(text))
				.map((text) => Number(text) / 1000);
			return found.length === 0 ? undefined : Math.max(...found);
		},
		async onMains() {
			const found = await Promise.all(
				(await entries(supplies)).map(async (name) => ({
					type: await line(join(supplies, name, "type")),
					online: await line(join(supplies, name, "online")),
				})),
			);
			const lines = found.filter(({ type, online }) => type !== "Battery" && online !== undefined);
			if (lines.length > 0) return lines.some(({ online }) => online !== "0");
			// Without a line that tells, a battery is what the machine lives on; a machine without one is plugged in.
			return found.some(({ type }) => type === "Battery") ? false : undefined;
		},
		setNice: (level) => setPriority(level),
	};
}

async function entries(folder: string): Promise<readonly string[]> {
	return readdir(folder).catch(() => []);
}

/** A sensor can vanish, or fail to answer, between two looks: then it tells nothing. */
async function line(path: string): Promise<string | undefined> {
	return readFile(path, "utf8").then(
		(text) => text.trim(),
		() => undefined,
	);
}
