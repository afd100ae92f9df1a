import { ProtocolError } from "@psgl/sdk";
import { deviceIdPattern, deviceTopic, parseTopic } from "@psgl/sdk/protocol";

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
