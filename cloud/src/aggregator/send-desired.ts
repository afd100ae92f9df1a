import { PsglError } from "@psgl/sdk";
import { type DesiredMessage, twinVersion } from "@psgl/sdk/protocol";
import type { DesiredTwin, TwinStore } from "../twins/twin-store.js";
import type { AggregatorContext } from "./context.js";
import { commonVersion } from "./roster.js";

/** Sends a device what is wanted of it, unless it is off line, knows no twin, nothing is, or that cannot be read: then it is told. */
export async function sendDesired(
	{ roster, downlink, emit }: AggregatorContext,
	twins: TwinStore | undefined,
	id: string,
): Promise<void> {
	const device = roster.get(id);
	if (device?.online !== true || commonVersion(device.hello) < twinVersion) return;
	let desired: DesiredTwin | undefined;
	try {
		desired = await twins?.desired(id);
	} catch (error) {
		const { message: reason } = error as Error;
		const code = error instanceof PsglError ? error.code : "PSGL_TWIN_DAMAGED";
		emit({ type: "refused", device: id, code, reason });
		return;
	}
	if (desired === undefined) return;
	downlink.send({ type: "desired", device: id, ...(desired as Pick<DesiredMessage, "version" | "settings">) });
}
