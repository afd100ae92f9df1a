import { twinRefused } from "../../twins/twin-errors.js";
import { TwinFolder } from "../../twins/twin-folder.js";
import { stateFiles } from "../state-files.js";
import type { VerbContext } from "../verb.js";

interface ShowValues {
	readonly state: string;
	readonly device?: string | undefined;
}

/** Both halves of the twins. */
export async function runTwinsShow({ state, device }: ShowValues, { output }: VerbContext): Promise<number> {
	const folder = await TwinFolder.open(stateFiles(state).twins);
	const twins = device === undefined ? await folder.list() : [await folder.get(device)];
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

interface SetValues {
	readonly state: string;
	readonly device: string;
	readonly settings: string;
}

/** The next version of what is wanted of a device. */
export async function runTwinsSet({ state, device, settings }: SetValues, { output }: VerbContext): Promise<number> {
	const folder = await TwinFolder.open(stateFiles(state).twins);
	const desired = await folder.set(device, parseSettings(settings));
	output.print(`${device}: version ${desired.version} is wanted; psgl twins show tells when it is in force`);
	output.result({ device, ...desired });
	return 0;
}

function parseSettings(text: string): Readonly<Record<string, unknown>> {
	try {
		const json: unknown = JSON.parse(text);
		if (typeof json === "object" && json !== null && !Array.isArray(json)) return json as Record<string, unknown>;
	} catch {}
	throw twinRefused("settings", text.slice(0, 100));
}
