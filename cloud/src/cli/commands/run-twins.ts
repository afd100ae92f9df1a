import { cloudLimits } from "../../limits.js";
import { twinRefused } from "../../twins/twin-errors.js";
import { TwinFolder } from "../../twins/twin-folder.js";
import type { TwinStore } from "../../twins/twin-store.js";
import type { OptionValues } from "../options/option.js";
import { stateFiles } from "../state-files.js";
import { joinRunStore, type storePlaceOptions } from "../store-options.js";
import type { VerbContext } from "../verb.js";

interface TwinsValues extends OptionValues<typeof storePlaceOptions> {
	readonly state: string;
}

interface ShowValues extends TwinsValues {
	readonly device?: string | undefined;
}

/** Both halves of the twins. */
export async function runTwinsShow(options: ShowValues, { output, signal }: VerbContext): Promise<number> {
	const { device } = options;
	const twins = await withTwins(options, signal, async (kept) =>
		device === undefined ? kept.list() : [await kept.get(device)],
	);
	output.table(
		[{ title: "device" }, { title: "wanted" }, { title: "in force" }, { title: "settings" }, { title: "errors" }],
		twins.map((twin) => [
			twin.device,
			String(twin.desired?.version ?? "-"),
			String(twin.reported?.version ?? "-"),
			JSON.stringify(twin.reported?.settings ?? {}),
			JSON.stringify(twin.reported?.errors ?? {}),
		]),
	);
	output.result({ twins });
	return 0;
}

interface SetValues extends TwinsValues {
	readonly device: string;
	readonly settings: string;
}

/** The next version of what is wanted of a device. */
export async function runTwinsSet(options: SetValues, { output, signal }: VerbContext): Promise<number> {
	const { device } = options;
	const settings = parseSettings(options.settings);
	const desired = await withTwins(options, signal, (kept) => kept.set(device, settings));
	output.print(`${device}: version ${desired.version} is wanted; psgl twins show tells when it is in force`);
	output.result({ device, ...desired });
	return 0;
}

/** The twins of a state folder, or of a run on NATS. */
async function withTwins<T>(
	options: TwinsValues,
	signal: AbortSignal,
	use: (twins: TwinStore) => Promise<T>,
): Promise<T> {
	await using store = await joinRunStore(options, signal);
	return await use(
		(await store?.openTwins(cloudLimits.orderMs)) ?? (await TwinFolder.open(stateFiles(options.state).twins)),
	);
}

function parseSettings(text: string): Readonly<Record<string, unknown>> {
	try {
		const json: unknown = JSON.parse(text);
		if (typeof json === "object" && json !== null && !Array.isArray(json)) return json as Record<string, unknown>;
	} catch {}
	throw twinRefused("settings", text.slice(0, 100));
}
