import { type DesiredMessage, twinVersion } from "@psgl/sdk/protocol";
import type { DesiredTwin, TwinFolder } from "../twins/twin-folder.js";
import type { AggregatorContext } from "./context.js";
import { commonVersion } from "./roster.js";

/** Sends a device what is wanted of it, unless it is off line, knows no twin, nothing is, or that cannot be read: then it is told. */
export async function sendDesired(
	{ roster, downlink, emit }: AggregatorContext,
	twins: TwinFolder | undefined,
	id: string,
): Promise<void> {
	let desired: DesiredTwin | undefined;
	try {
		desired = await twins?.desired(id);
	} catch (error) {
		const { message: reason } = error as Error;
		emit({ type: "refused", device: id, code: "PSGL_TWIN_DAMAGED", reason });
		return;
	}
	const device = roster.get(id);
	if (desired === undefined || device?.online !== true || commonVersion(device.hello) < twinVersion) return;
	downlink.send({ type: "desired", device: id, ...(desired as Pick<DesiredMessage, "version" | "settings">) });
}
