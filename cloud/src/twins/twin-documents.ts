import { DataError } from "@psgl/sdk";
import { deviceIdPattern } from "@psgl/sdk/protocol";
import { checkTwin, type TwinSettings } from "@psgl/sdk/twin";
import { z } from "zod";
import { twinRefused } from "./twin-errors.js";
import type { DesiredTwin, ReportedTwin } from "./twin-store.js";

const desired = z.strictObject({ version: z.int().positive(), settings: z.record(z.string(), z.unknown()) });

/** Written by this program alone. */
const reported = z.looseObject({ device: z.string(), version: z.int() });

/** Both halves of a twin as they are kept, each as JSON. */
export const twinHalves = {
	desired: (json: unknown) => desired.parse(json) as DesiredTwin,
	reported: (json: unknown) => reported.parse(json) as unknown as ReportedTwin,
} as const;

export type TwinHalf = keyof typeof twinHalves;

/** @param where it is kept, for the error. @throws DataError `PSGL_TWIN_DAMAGED`. */
export function parseTwin<H extends TwinHalf>(
	half: H,
	text: string,
	device: string,
	where: string,
): ReturnType<(typeof twinHalves)[H]> {
	try {
		return twinHalves[half](JSON.parse(text)) as ReturnType<(typeof twinHalves)[H]>;
	} catch (cause) {
		throw new DataError("PSGL_TWIN_DAMAGED", {
			what: `the ${half} twin of ${device} cannot be read`,
			got: where,
			remedy: "Remove it, and set what is wanted of the device again",
			cause,
		});
	}
}

/** Settings that may be wanted of a device. @throws ConfigError `PSGL_TWIN_REFUSED`. */
export function checkedTwin(device: string, settings: Readonly<Record<string, unknown>>): TwinSettings {
	if (!deviceIdPattern.test(device)) throw twinRefused("device", JSON.stringify(device));
	const checked = checkTwin(settings);
	const [wrong] = Object.entries(checked.errors);
	if (wrong !== undefined) throw twinRefused(wrong[0], wrong[1]);
	return checked.settings;
}
