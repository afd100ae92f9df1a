import { ProtocolError } from "@psgl/sdk";
import { deviceIdPattern, deviceTopic, parseTopic } from "@psgl/sdk/protocol";
import type { AuthenticateError } from "aedes";
import { badClientId, foreignId, notAuthorised } from "./broker-errors.js";
import type { Introduction } from "./mqtt-server.js";

/** Channels a device may publish on below its own id. */
export type UplinkChannel = "up" | "status";

/** The channel a client publishes on, if it may: only on its own `up` and `status`. Everything else is denied. */
export function uplinkChannel(client: string, topic: string): UplinkChannel | undefined {
	const parsed = parseTopic(topic);
	if (parsed === undefined || parsed.device !== client || parsed.channel === "down") return undefined;
	return parsed.channel;
}

/** A client may subscribe to its own `down` topic only: no wildcards, no other device, no `$SYS`. */
export function maySubscribe(client: string, filter: string): boolean {
	return filter === deviceTopic(client, "down");
}

/** The last will may only say on the client's own status topic that it is gone. */
export function mayLeaveWill(client: string, topic: string): boolean {
	return topic === deviceTopic(client, "status");
}

/** Client ids are device ids. */
export function isDeviceId(client: string): boolean {
	return deviceIdPattern.test(client);
}

/** Client ids are device ids, those of the certificate, and wills are on the device's own status topic; else why not. */
export function refuseIntroduction({ clientId, willTopic, identity }: Introduction): AuthenticateError | undefined {
	if (!isDeviceId(clientId)) return badClientId(clientId);
	if (identity !== undefined && identity.device !== clientId) return foreignId(clientId, identity.device);
	if (willTopic === undefined || mayLeaveWill(clientId, willTopic)) return undefined;
	return notAuthorised(denied(clientId, "leave a will on", willTopic));
}

/** Why a subscription is refused. */
export function refuseSubscription(client: string, filter: string): ProtocolError | undefined {
	return maySubscribe(client, filter) ? undefined : denied(client, "subscribe to", filter);
}

/** Why a client was turned away. */
export function denied(client: string, verb: string, topic: string): ProtocolError {
	return new ProtocolError("PSGL_BROKER_DENIED", {
		what: `client ${client} may not ${verb} this topic`,
		got: topic.slice(0, 200),
		expected:
			verb === "subscribe to"
				? deviceTopic(client, "down")
				: `${deviceTopic(client, "up")} or ${deviceTopic(client, "status")}`,
		remedy: "Use the MQTT client id as the device id; see docs/protocol.md for the topics",
	});
}
